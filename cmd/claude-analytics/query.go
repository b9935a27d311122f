package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/rs/zerolog"

	"claude-analytics/internal/config"
	"claude-analytics/internal/mask"
	"claude-analytics/internal/warehouse"
)

// queryCmd is read-only SQL, live or offline.
type queryCmd struct {
	SQL     string        `arg:"" optional:"" help:"One SELECT; without it, -f FILE or standard input."`
	File    string        `short:"f" help:"Read the SQL from a file." placeholder:"FILE"`
	JSON    bool          `help:"An array of objects." xor:"format"`
	CSV     bool          `name:"csv" help:"Comma-separated, with a head." xor:"format"`
	Raw     bool          `help:"Query the live database itself, bronze and silver included, instead of the published copy."`
	Parquet string        `help:"Write a Parquet file." placeholder:"FILE" xor:"format"`
	Limit   int           `help:"Rows at most." default:"10000"`
	Timeout time.Duration `help:"Time at most." default:"30s"`
}

// Help gives examples.
func (queryCmd) Help() string {
	return "One read-only statement; no file access, no settings. While a service runs it is answered by the published copy of\n" +
		"the gold layer (schemas marts and meta), a few seconds behind; --raw asks the live database with all its schemas (raw,\n" +
		"staging, intermediate, marts, meta). Without a service the file itself is opened.\n\n" +
		"  claude-analytics query \"SELECT * FROM marts.agg_daily_summary ORDER BY date_key DESC LIMIT 7\"\n" +
		"  claude-analytics query --raw \"SELECT type, count(*) FROM raw.conversations GROUP BY ALL\"\n" +
		"  claude-analytics query --csv -f report.sql > report.csv\n" +
		"  claude-analytics query --limit 1000000 --parquet calls.parquet \"FROM marts.fct_tool_calls\""
}

// queryRequest is the body of a request to claude-analytics.query.
type queryRequest struct {
	SQL     string `json:"sql"`
	Limit   int    `json:"limit"`
	Timeout string `json:"timeout"`
	Raw     bool   `json:"raw,omitempty"`   // the live database, not the published copy
	Arrow   bool   `json:"arrow,omitempty"` // answer as an Arrow stream instead of rows
}

// queryAnswer is its answer; Truncated says that there were more rows than the limit.
type queryAnswer struct {
	Columns   []warehouse.Column  `json:"columns"`
	Rows      [][]json.RawMessage `json:"rows"`
	Arrow     []byte              `json:"arrow,omitempty"` // an Arrow stream, if that was asked for; then there are no rows
	Truncated bool                `json:"truncated"`
	// Source is what answered: "published copy", "live database" or "file"; AsOf how fresh the copy is.
	Source string             `json:"source"`
	AsOf   *warehouse.Version `json:"as_of,omitempty"`
}

// Run asks the service, or opens the warehouse.
func (c *queryCmd) Run(ctx context.Context, e *env) error {
	sql, err := c.statement(e.stdin)
	if err != nil {
		return err
	}
	request := queryRequest{SQL: sql, Limit: c.Limit, Timeout: c.Timeout.String(), Raw: c.Raw, Arrow: c.Parquet != ""}
	if _, err := request.limits(); err != nil {
		return err
	}
	cfg, log, err := e.startOnce(nil)
	if err != nil {
		return err
	}
	answer, err := queryAnywhere(ctx, cfg, log, request)
	if err != nil {
		return err
	}
	return c.print(e, answer)
}

// errNoWarehouse says that there is nothing to ask yet.
var errNoWarehouse = errors.New("there is no warehouse yet")

// queryAnywhere asks the running service, or the file where none runs.
func queryAnywhere(ctx context.Context, cfg config.Loaded, log zerolog.Logger, request queryRequest) (answer queryAnswer, err error) {
	service, err := live(ctx, cfg)
	switch {
	case err == nil:
		defer service.Close()
		log.Debug().Str("nats", mask.URLs(service.info.NATSURL)).Msg("live")
		return ask[queryAnswer](ctx, service, "query", request)
	case !errors.Is(err, errNoService):
		return answer, err
	}
	if _, err := os.Stat(cfg.WarehousePath()); err != nil {
		return answer, fmt.Errorf("%w at %s: run `claude-analytics up` first", errNoWarehouse, cfg.WarehousePath())
	}
	log.Debug().Str("file", cfg.WarehousePath()).Msg("offline")
	db := readOnly(cfg, log)
	if err := db.Open(ctx); err != nil {
		return answer, err
	}
	answer, err = runQuery(ctx, db, request)
	answer.Source = "file"
	return answer, errors.Join(err, db.Close())
}

// readOnly is the warehouse's file for reading alone, while no service has it.
func readOnly(cfg config.Loaded, log zerolog.Logger) *warehouse.DB {
	return warehouse.New(warehouse.Config{
		Path: cfg.WarehousePath(), Threads: cfg.DuckDBThreads, MemoryLimit: cfg.DuckDBMemoryLimit, ReadOnly: true,
	}, log)
}

// query answers on the published copy, or on the live database if the request says so.
func (s *service) query(ctx context.Context, request queryRequest) (queryAnswer, error) {
	if request.Raw {
		answer, err := runQuery(ctx, s.db, request)
		answer.Source = "live database"
		return answer, err
	}
	published := s.copies.Copy()
	var version warehouse.Version
	answer, err := limited(request, asked{
		rows: func(limits warehouse.Limits) (result *warehouse.Result, err error) {
			result, version, err = published.Ask(ctx, request.SQL, limits)
			return result, err
		},
		arrow: func(limits warehouse.Limits, use func(array.RecordReader) error) (truncated bool, err error) {
			truncated, version, err = published.AskArrow(ctx, request.SQL, limits, use)
			return truncated, err
		},
	})
	answer.Source, answer.AsOf = "published copy", &version
	return answer, err
}

func (c *queryCmd) statement(stdin io.Reader) (string, error) {
	switch {
	case c.SQL != "" && c.File != "":
		return "", usagef("give the SQL either as an argument or with -f")
	case c.SQL != "":
		return c.SQL, nil
	case c.File != "":
		text, err := os.ReadFile(c.File)
		if err != nil {
			return "", usagef("read the SQL: %w", err)
		}
		return string(text), nil
	}
	text, err := io.ReadAll(io.LimitReader(stdin, 1<<20))
	if err != nil || strings.TrimSpace(string(text)) == "" {
		return "", usagef("no SQL: give it as an argument, with -f FILE, or on standard input")
	}
	return string(text), nil
}

// runQuery asks a database.
func runQuery(ctx context.Context, db *warehouse.DB, request queryRequest) (queryAnswer, error) {
	return limited(request, asked{
		rows: func(limits warehouse.Limits) (*warehouse.Result, error) { return db.Query(ctx, request.SQL, limits) },
		arrow: func(limits warehouse.Limits, use func(array.RecordReader) error) (bool, error) {
			return db.QueryArrow(ctx, request.SQL, limits, use)
		},
	})
}

// asked are the two ways to ask a database.
type asked struct {
	rows  func(warehouse.Limits) (*warehouse.Result, error)
	arrow func(warehouse.Limits, func(array.RecordReader) error) (truncated bool, err error)
}

// What one query may ask for, and what it gets where it does not say.
const (
	mostRows, usualRows     = 1_000_000, 10_000
	longestQuery, usualTime = 10 * time.Minute, 30 * time.Second
)

// limits checks what the request asks for: a bound that cannot be kept to is refused, not replaced by another.
func (r queryRequest) limits() (warehouse.Limits, error) {
	limits := warehouse.Limits{Rows: cmp.Or(r.Limit, usualRows), Timeout: usualTime}
	if strings.TrimSpace(r.SQL) == "" {
		return limits, usagef("the request holds no sql")
	}
	if limits.Rows < 1 || limits.Rows > mostRows {
		return limits, usagef("limit must be 1 to %d rows, not %d", mostRows, r.Limit)
	}
	if r.Timeout == "" {
		return limits, nil
	}
	var err error
	if limits.Timeout, err = time.ParseDuration(r.Timeout); err != nil || limits.Timeout <= 0 || limits.Timeout > longestQuery {
		return limits, usagef("timeout must be a duration up to %s such as 30s, not %q", longestQuery, r.Timeout)
	}
	return limits, nil
}

// limited runs a query within what the request asks for.
func limited(request queryRequest, database asked) (queryAnswer, error) {
	limits, err := request.limits()
	if err != nil {
		return queryAnswer{}, err
	}
	if request.Arrow {
		return arrowAnswer(database, limits)
	}
	result, err := database.rows(limits)
	if err != nil {
		return queryAnswer{}, err
	}
	answer := queryAnswer{Columns: result.Columns, Rows: make([][]json.RawMessage, len(result.Rows)), Truncated: result.Truncated}
	for i, row := range result.Rows {
		answer.Rows[i] = make([]json.RawMessage, len(row))
		for j, value := range row {
			if answer.Rows[i][j], err = json.Marshal(value); err != nil {
				return queryAnswer{}, fmt.Errorf("column %s: %w", result.Columns[j].Name, err)
			}
		}
	}
	return answer, nil
}

func (c *queryCmd) print(e *env, answer queryAnswer) error {
	if answer.Truncated {
		defer fmt.Fprintf(e.stderr, "only the first %s rows; --limit gives more\n", count(len(answer.Rows)))
	}
	switch {
	case c.Parquet != "":
		return c.writeParquet(e, answer)
	case c.JSON:
		return printObjects(e.stdout, answer)
	case c.CSV:
		w := csv.NewWriter(e.stdout)
		if err := w.Write(names(answer.Columns)); err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		for _, row := range answer.Rows {
			if err := w.Write(texts(row, "")); err != nil {
				return fmt.Errorf("write answer: %w", err)
			}
		}
		w.Flush()
		return w.Error()
	}
	t := table{head: names(answer.Columns), right: map[int]bool{}}
	for i, column := range answer.Columns {
		t.right[i] = isNumber(column.Type)
	}
	for _, row := range answer.Rows {
		t.add(texts(row, "–")...)
	}
	t.write(e.stdout)
	return nil
}

// printObjects keeps the columns' order, which a map would lose.
func printObjects(w io.Writer, answer queryAnswer) error {
	keys := names(answer.Columns)
	for i := range keys {
		quoted, err := json.Marshal(keys[i])
		if err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		keys[i] = string(quoted)
	}
	fmt.Fprint(w, "[")
	for i, row := range answer.Rows {
		cells := make([]string, len(row))
		for j, value := range row {
			cells[j] = keys[j] + ": " + string(value)
		}
		separator := ","
		if i == 0 {
			separator = ""
		}
		fmt.Fprintf(w, "%s\n  {%s}", separator, strings.Join(cells, ", "))
	}
	_, err := fmt.Fprintln(w, "\n]")
	return err
}

func names(columns []warehouse.Column) []string {
	out := make([]string, len(columns))
	for i, column := range columns {
		out[i] = column.Name
	}
	return out
}

// texts writes JSON values as cells; null is what missing says.
func texts(row []json.RawMessage, missing string) []string {
	out := make([]string, len(row))
	for i, value := range row {
		var text string
		switch {
		case string(value) == "null":
			text = missing
		case json.Unmarshal(value, &text) != nil:
			text = string(value)
		}
		out[i] = text
	}
	return out
}

func isNumber(duckdbType string) bool {
	for _, prefix := range []string{"BIGINT", "INTEGER", "HUGEINT", "DOUBLE", "FLOAT", "DECIMAL", "UBIGINT", "UINTEGER", "SMALLINT", "TINYINT", "USMALLINT", "UTINYINT", "UHUGEINT"} {
		if strings.HasPrefix(duckdbType, prefix) && !strings.HasSuffix(duckdbType, "[]") {
			return true
		}
	}
	return false
}
