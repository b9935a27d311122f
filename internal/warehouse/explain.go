package warehouse

import (
	"context"
	"regexp"
)

var explainWord = regexp.MustCompile(`(?is)^\s*EXPLAIN\s+(ANALYZE\s+)?(.*)$`)

// explained is a statement whose plan is asked for.
type explained struct {
	query   string
	analyze bool // run it, and say how long each step took
}

// explains splits EXPLAIN off: DuckDB's parser makes no syntax tree of it, so that what follows is inspected alone.
func explains(query string) (explained, bool) {
	found := explainWord.FindStringSubmatch(query)
	if found == nil {
		return explained{}, false
	}
	return explained{query: found[2], analyze: found[1] != ""}, true
}

func (t *Tx) explain(ctx context.Context, what explained, limits Limits) (*Result, error) {
	statement, err := inspect(ctx, t.conn, what.query)
	if err != nil {
		return nil, err
	}
	verb := "EXPLAIN "
	if what.analyze {
		verb += "ANALYZE "
	}
	rows, err := t.Query(ctx, verb+statement)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err says it
	return collect(rows, []Column{{Name: "explain_key", Type: "VARCHAR"}, {Name: "explain_value", Type: "VARCHAR"}}, limits)
}
