package api

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
)

func fuzzTable() *Table {
	t := &Table{Name: "fct_x", Key: []string{"k"}, columns: map[string]Column{}}
	for name, kind := range map[string]string{
		"k": "VARCHAR", "n": "BIGINT", "d": "DECIMAL(18,9)", "at": "TIMESTAMP WITH TIME ZONE", "list": "VARCHAR[]", "odd__name": "VARCHAR", `quo"te`: "VARCHAR", "j": "JSON",
	} {
		column := Column{Name: name, Type: kind}
		t.Columns = append(t.Columns, column)
		t.columns[name] = column
	}
	return t
}

// shape is all that a statement may consist of: known names in quotes, known words, places and numbers.
var shape = regexp.MustCompile(`^SELECT (NAME(, NAME)*) FROM marts\.NAME( WHERE COND( AND COND)*)?( ORDER BY NAME (ASC|DESC)( NULLS LAST)?(, NAME (ASC|DESC)( NULLS LAST)?)*)? LIMIT \d+ OFFSET \d+$`)

var (
	quoted    = regexp.MustCompile(`"(?:k|n|d|at|list|odd__name|quo""te|j|fct_x)"`)
	place     = regexp.MustCompile(`CAST\(\$\d+ AS (?:VARCHAR|BIGINT|DECIMAL\(18,9\)|TIMESTAMP WITH TIME ZONE)\)`)
	condition = regexp.MustCompile(`NAME (?:=|IS DISTINCT FROM|>|>=|<|<=|LIKE) VALUE|NAME IN \(VALUE(?:, VALUE)*\)|NAME IS (?:NOT )?NULL`)
)

// Whatever a query string says: it is refused with a reason, or the statement is of known parts and each value is bound.
func FuzzFilters(f *testing.F) {
	for _, seed := range []string{
		"", "k=a&k=b", "n__gte=1&n__lt=5", "k__in=a,b,c&order=-n,k", "columns=k,n&limit=5&offset=3", "odd__name=1", "odd__name__like=%25", "at__null=true",
		"k=%27%3B%20DROP%20TABLE%20x%3B--", "k%22%3B=1", "quo%22te=1", "list=1", "j=1", "__in=1", "k__=1", "k____eq=1", "order=--k", "columns=,", "limit=99999999999999999999", "order=k;--",
	} {
		f.Add(seed)
	}
	table := fuzzTable()
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil || len(query) > maxQueryString {
			t.Skip()
		}
		s, err := selectionOf(table, values, maxLimit)
		if err != nil {
			if e := explain(err); e.status/100 != 4 || e.Text == "" || e.Remedy == "" || len(e.Text) > 1000 {
				t.Errorf("%q: %+v", query, e)
			}
			return
		}
		statement := s.statement(table)
		if places := strings.Count(statement, "CAST($"); places != len(s.args) {
			t.Errorf("%q: %d places for %d values: %s", query, places, len(s.args), statement)
		}
		reduced := condition.ReplaceAllString(place.ReplaceAllString(quoted.ReplaceAllString(statement, "NAME"), "VALUE"), "COND")
		if !shape.MatchString(reduced) {
			t.Errorf("%q: %s\n%s", query, statement, reduced)
		}
	})
}
