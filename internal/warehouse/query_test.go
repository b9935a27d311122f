package warehouse

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Nothing of this may run, write or read outside the database.
func TestHostileSQL(t *testing.T) {
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret.csv")
	if err := os.WriteFile(secret, []byte("a\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	db := open(t, Config{Folders: []string{outside}}) // even where DuckDB itself may go
	run(t, db, `CREATE TABLE raw.t AS SELECT 1 AS i`, `CREATE SEQUENCE raw.s`)
	state := func() string {
		return value(t, db, `SELECT string_agg(table_name, ' ' ORDER BY table_name) FROM duckdb_tables()`) + value(t, db, `SELECT sum(i) FROM raw.t`) + value(t, db, `SELECT last_value FROM duckdb_sequences()`)
	}
	before, files := state(), names(t, outside)
	for _, query := range strings.Split(strings.ReplaceAll(`INSERT INTO raw.t VALUES (2)
UPDATE raw.t SET i = 2
DELETE FROM raw.t
TRUNCATE raw.t
DROP TABLE raw.t
ALTER TABLE raw.t ADD COLUMN j INTEGER
CREATE TABLE raw.u (i INTEGER)
CREATE TEMP TABLE u AS SELECT 1
CREATE OR REPLACE VIEW raw.v AS SELECT 1
CREATE MACRO m() AS 1
CREATE SECRET (TYPE s3)
MERGE INTO raw.t USING raw.t s ON true WHEN MATCHED THEN DELETE
SELECT 1; DELETE FROM raw.t
SELECT 1; SELECT 2
BEGIN
COMMIT; DELETE FROM raw.t
ROLLBACK
CHECKPOINT
FORCE CHECKPOINT
VACUUM
ANALYZE
COPY raw.t TO '@/out.csv'
COPY (SELECT 1) TO '@/out.parquet' (FORMAT parquet)
COPY raw.t FROM '@/secret.csv'
COPY FROM DATABASE analytics TO memory
EXPORT DATABASE '@/out'
IMPORT DATABASE '@/out'
ATTACH '@/other.duckdb'
ATTACH ':memory:' AS other
DETACH analytics
USE memory
INSTALL httpfs
LOAD httpfs
UPDATE EXTENSIONS
SET memory_limit = '1TB'
SET lock_configuration = false
SET VARIABLE x = 1
RESET threads
PRAGMA database_list
PRAGMA threads = 8
CALL pragma_version()
CALL force_checkpoint('analytics')
PREPARE p AS SELECT 1
EXECUTE p
DEALLOCATE p
EXPLAIN ANALYZE DELETE FROM raw.t
SELECT * FROM '@/secret.csv'
SELECT * FROM "@/secret.csv"
FROM '@/secret.csv'
SELECT (SELECT a FROM '@/secret.csv')
WITH x AS (SELECT * FROM read_csv('@/secret.csv')) SELECT * FROM x
WITH x AS MATERIALIZED (FROM raw.t) SELECT * FROM x UNION ALL SELECT a FROM '@/secret.csv'
SELECT * FROM read_csv('@/secret.csv')
SELECT * FROM read_csv_auto('@/secret.csv')
SELECT * FROM READ_TEXT('@/secret.csv')
SELECT * FROM main.read_text('@/secret.csv')
SELECT * FROM read_blob('@/secret.csv')
SELECT * FROM read_json('@/secret.csv')
SELECT * FROM read_ndjson_objects('@/secret.csv')
SELECT * FROM read_parquet('@/secret.csv')
SELECT * FROM parquet_metadata('@/secret.csv')
SELECT * FROM read_duckdb('@/secret.csv')
SELECT * FROM read_blob('%')
SELECT * FROM '%'
SELECT * FROM sniff_csv('@/secret.csv')
SELECT * FROM glob('@/*')
SELECT * FROM query('SELECT * FROM read_csv(''@/secret.csv'')')
SELECT * FROM query_table('raw.t')
SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))
SELECT * FROM arrow_scan(1::POINTER, 2::POINTER, 3::POINTER)
SELECT * FROM force_checkpoint('analytics')
SELECT * FROM checkpoint()
SELECT * FROM enable_logging()
SELECT * FROM duckdb_secrets()
SELECT * FROM duckdb_settings()
SELECT * FROM seq_scan('raw.t')
SELECT json_serialize_plan('SELECT * FROM read_csv(''@/secret.csv'')')
SELECT nextval('raw.s')
SELECT sum(nextval('raw.s')) FROM raw.t
SELECT i FROM raw.t WHERE i < (SELECT nextval('raw.s'))
SELECT list_transform([1], lambda x: nextval('raw.s'))
SELECT [nextval('raw.s') FOR x IN [1]]
SELECT * FROM raw.t ORDER BY nextval('raw.s')
SELECT i FROM raw.t GROUP BY i HAVING nextval('raw.s') > 0
SELECT first(nextval('raw.s')) OVER () FROM raw.t
SELECT * FROM range(nextval('raw.s'))
VALUES (nextval('raw.s'))
SELECT write_log('x')
SELECT sleep_ms(10000)
SELECT pg_sleep(10)
SELECT getenv('HOME')
SELECT ?
SELECT $1
SELECT $name
SELECT 1 FROM (
SELECT 1) FROM raw.t; DELETE FROM raw.t --
SELECT 1 /*
;

--`, "\n--", "\n-- nothing"), "\n") {
		query = strings.ReplaceAll(strings.ReplaceAll(query, "@", outside), "%", db.Path())
		result, err := db.Query(context.Background(), query, Limits{Timeout: 5 * time.Second})
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%s: not refused: %v, %v", query, result, err)
		}
	}
	if after := state(); after != before {
		t.Errorf("hostile SQL changed the database: %s, before %s", after, before)
	}
	if after := names(t, outside); after != files {
		t.Errorf("hostile SQL wrote files: %s", after)
	}
	// The file is still ours: nobody else can open it.
	holderRefused(t, db.Path())
}

func TestQueryRuns(t *testing.T) {
	db := open(t, Config{})
	run(t, db, `CREATE TABLE raw.t AS SELECT i, i % 3 AS k FROM range(100) r(i)`)
	for query, want := range map[string]string{
		`SELECT count(*) FROM raw.t`:                                                                             `[[100]]`,
		`SELECT count(*) AS n FROM raw.t; -- how many`:                                                           `[[100]]`,
		"  /* a */ SELECT k, count(*) FROM raw.t GROUP BY ALL ORDER BY k;":                                       `[[0,34],[1,33],[2,33]]`,
		`FROM raw.t ORDER BY i DESC LIMIT 1`:                                                                     `[[99,0]]`,
		`WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x WHERE n < 3) SELECT * FROM x ORDER BY n`: `[[1],[2],[3]]`,
		`VALUES (1, 'a;b'), (2, '--')`:                                                                           `[[1,"a;b"],[2,"--"]]`,
		`SELECT a.i, b.i FROM raw.t a JOIN raw.t b USING (i) WHERE i = 7`:                                        `[[7,7]]`,
		`SELECT 1 AS a, 2 AS a`:                                                                                  `[[1,2]]`,
		`SELECT * FROM (PIVOT raw.t ON k IN (0, 1) USING count(*) GROUP BY i) ORDER BY i LIMIT 1`:                `[[0,1,0]]`,
		`SELECT unnest([1, 2])`:                                                                                  `[[1],[2]]`,
		`SELECT x FROM generate_series(1, 2) s(x)`:                                                               `[[1],[2]]`,
		`SELECT key FROM json_each('{"a": 1}')`:                                                                  `[["a"]]`,
		`SELECT column_name FROM (DESCRIBE raw.t)`:                                                               `[["i"],["k"]]`,
		`SELECT count(*) FROM information_schema.tables WHERE table_name = 't'`:                                  `[[1]]`,
		`SELECT i FROM raw.t WHERE false`:                                                                        `[]`,
	} {
		result, err := db.Query(context.Background(), query, Limits{})
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if got, err := json.Marshal(result.Rows); err != nil || string(got) != want {
			t.Errorf("%s = %s, %v; want %s", query, got, err, want)
		}
	}
	for _, query := range []string{`DESCRIBE raw.t`, `SHOW TABLES`, `show  all tables;`, `SHOW DATABASES`, `SUMMARIZE raw.t`, `TABLE raw.t`} {
		if result, err := db.Query(context.Background(), query, Limits{}); err != nil || len(result.Columns) == 0 {
			t.Errorf("%s: %v", query, err)
		}
	}
}

func TestQueryValues(t *testing.T) {
	db := open(t, Config{})
	for expression, want := range map[string]struct{ typ, json string }{
		`NULL`:                          {`INTEGER`, `null`},
		`true`:                          {"BOOLEAN", `true`},
		`9223372036854775807`:           {"BIGINT", `9223372036854775807`},
		`18446744073709551615::UBIGINT`: {"UBIGINT", `18446744073709551615`},
		`170141183460469231731687303715884105727::HUGEINT`: {"HUGEINT", `170141183460469231731687303715884105727`},
		`0.000000001::DECIMAL(18,9)`:                       {"DECIMAL(18,9)", `0.000000001`},
		`-12.50::DECIMAL(6,2)`:                             {"DECIMAL(6,2)", `-12.50`},
		`1.5::DOUBLE`:                                      {"DOUBLE", `1.5`},
		`'nan'::DOUBLE`:                                    {"DOUBLE", `"NaN"`},
		`'-infinity'::FLOAT`:                               {"FLOAT", `"-Infinity"`},
		`'a "quoted" ü'`:                                   {"VARCHAR", `"a \"quoted\" ü"`},
		`TIMESTAMPTZ '2026-01-02 03:04:05.678901+02'`:      {"TIMESTAMP WITH TIME ZONE", `"2026-01-02T01:04:05.678901Z"`},
		`TIMESTAMPTZ '2026-01-02 03:04:05+00'`:             {"TIMESTAMP WITH TIME ZONE", `"2026-01-02T03:04:05Z"`},
		`TIMESTAMPTZ 'infinity'`:                           {"TIMESTAMP WITH TIME ZONE", `"infinity"`},
		`TIMESTAMP '2026-01-02 03:04:05'`:                  {"TIMESTAMP", `"2026-01-02T03:04:05"`},
		`TIMESTAMP '290000-01-02 03:04:05'`:                {"TIMESTAMP", `"290000-01-02T03:04:05"`},
		`DATE '2026-01-02'`:                                {"DATE", `"2026-01-02"`},
		`TIME '03:04:05.5'`:                                {"TIME", `"03:04:05.5"`},
		`INTERVAL '1 month 2 days 3 hours'`:                {"INTERVAL", `"1 month 2 days 03:00:00"`},
		`UUID '00112233-4455-6677-8899-aabbccddeeff'`:      {"UUID", `"00112233-4455-6677-8899-aabbccddeeff"`},
		`'\x00\xFF'::BLOB`:                                 {"BLOB", `"AP8="`},
		`'101'::BIT`:                                       {"BIT", `"101"`},
		`'b'::ENUM('a', 'b')`:                              {"ENUM('a', 'b')", `"b"`},
		`[1, NULL, 3]`:                                     {"INTEGER[]", `[1,null,3]`},
		`[1, 2]::INTEGER[2]`:                               {"INTEGER[2]", `[1,2]`},
		`{'a': 1, 'b': [DATE '2026-01-02']}`:               {"STRUCT(a INTEGER, b DATE[])", `{"a":1,"b":["2026-01-02"]}`},
		`MAP {'k': 1, 'l': 2}`:                             {"MAP(VARCHAR, INTEGER)", `{"k":1,"l":2}`},
		`'{"a": [1, 2]}'::JSON`:                            {"JSON", `{"a":[1,2]}`},
		`json_extract('{"a": null}', '$.a')`:               {"JSON", `null`},
		`sum(i) FROM range(3) r(i)`:                        {"HUGEINT", `3`},
	} {
		result, err := db.Query(context.Background(), "SELECT "+expression, Limits{})
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		got, err := json.Marshal(result.Rows[0][0])
		if err != nil || string(got) != want.json || result.Columns[0].Type != want.typ {
			t.Errorf("%s = %s (%s), %v; want %s (%s)", expression, got, result.Columns[0].Type, err, want.json, want.typ)
		}
	}
}

func TestQueryLimits(t *testing.T) {
	db := open(t, Config{MemoryLimit: "100MB"})
	result, err := db.Query(context.Background(), `SELECT i FROM range(1000000000000) r(i)`, Limits{Rows: 10})
	if err != nil || len(result.Rows) != 10 || !result.Truncated {
		t.Errorf("%v, %v", result, err)
	}
	result, err = db.Query(context.Background(), `SELECT i FROM range(10) r(i)`, Limits{Rows: 10})
	if err != nil || len(result.Rows) != 10 || result.Truncated {
		t.Errorf("%v, %v", result, err)
	}
	result, err = db.Query(context.Background(), `SELECT repeat('x', 1000) FROM range(100) r(i)`, Limits{Bytes: 5000})
	if err != nil || len(result.Rows) != 5 || !result.Truncated {
		t.Errorf("%d rows, %v", len(result.Rows), err)
	}
	endless := `SELECT count(*) FROM range(100000000000) a(i), range(100000) b(j) WHERE hash(i + j) = 7`
	if _, err := db.Query(context.Background(), endless, Limits{Timeout: 50 * time.Millisecond}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want a deadline", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := db.Query(ctx, endless, Limits{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the caller's deadline", err)
	}
	if _, err := db.Query(context.Background(), `SELECT list(i) FROM range(1000000000) r(i)`, Limits{}); !errors.Is(err, ErrOutOfMemory) {
		t.Errorf("got %v, want ErrOutOfMemory", err)
	}
	// What SQL says is no fault of the disk.
	for _, query := range []string{`SELECT error('No space left on device')`, `SELECT corrupt FROM raw.conversations`} {
		var fault *Fault
		if _, err := db.Query(context.Background(), query, Limits{}); err == nil || errors.As(err, &fault) {
			t.Errorf("%s: %v", query, err)
		}
	}
	if got := value(t, db, `SELECT 1`); got != "1" {
		t.Error("the database does not answer after that")
	}
}
