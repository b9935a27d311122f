package modeler_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler"
	"claude-analytics/modeler/project"
)

// usualChecks is how many histories the property tests draw unless -rapid.checks says otherwise: each takes several
// refreshes on a real DuckDB.
const usualChecks = "10"

func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.checks": usualChecks, "rapid.shrinktime": "10s", "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// fewerChecks divides the usual number of checks for one test. A number that was asked for stands.
func fewerChecks(t *testing.T, by int) {
	t.Helper()
	checks := flag.Lookup("rapid.checks").Value
	before := checks.String()
	if before != usualChecks {
		return
	}
	n, err := strconv.Atoi(before)
	if err != nil {
		t.Fatal(err)
	}
	if err := checks.Set(strconv.Itoa(max(n/by, 1))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = checks.Set(before) })
}

var smallProject = os.DirFS("testdata/project")

func openWarehouse(t testing.TB) *warehouse.DB {
	t.Helper()
	dir, err := os.MkdirTemp("", "modeler")
	if err != nil {
		t.Fatal(err)
	}
	db := warehouse.New(warehouse.Config{Path: filepath.Join(dir, "w.duckdb"), Copies: filepath.Join(dir, ".publish"), Threads: 2, MemoryLimit: "2GB"}, zerolog.Nop())
	if err := db.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return db
}

func newModeler(db *warehouse.DB, cfg modeler.Config) *modeler.Modeler {
	if cfg.ProjectFS == nil {
		cfg.ProjectFS = smallProject
	}
	return modeler.New(cfg, db, zerolog.Nop(), nil)
}

// bronze applies documents as the sink does: rows by key, the keys touched, old and new, and the link keys.
type bronze struct {
	db    *warehouse.DB
	batch int64
}

// doc is a document as far as the small project reads it.
type doc struct {
	id       string
	session  string // "" is NULL
	project  string
	uuid     string
	minute   int // since the epoch of the tests
	ingested int
	length   int
	toolID   string
	tool     string
}

func (b *bronze) exec(t testing.TB, statements ...string) {
	t.Helper()
	err := b.db.Write(context.Background(), "test", func(ctx context.Context, tx *warehouse.Tx) error {
		for _, s := range statements {
			if _, err := tx.Exec(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func text(s string) string {
	if s == "" {
		return "NULL"
	}
	return project.Literal(s)
}

// apply writes one batch: documents replaced or inserted, ids deleted.
func (b *bronze) apply(t testing.TB, docs []doc, deleted []string) {
	t.Helper()
	b.batch++
	ids := make([]string, 0, len(docs)+len(deleted))
	for _, d := range docs {
		ids = append(ids, project.Literal(d.id))
	}
	for _, id := range deleted {
		ids = append(ids, project.Literal(id))
	}
	in := " WHERE _id IN (" + strings.Join(ids, ", ") + ")"
	touched := fmt.Sprintf("INSERT INTO meta.changed_keys SELECT DISTINCT %d, coalesce(session_id, ''), date FROM raw.conversations", b.batch) + in
	statements := []string{touched, "DELETE FROM raw.conversations" + in, "DELETE FROM raw.content_blocks" + in}
	for i, d := range docs {
		statements = append(statements, fmt.Sprintf(`INSERT INTO raw.conversations BY NAME
			SELECT %[1]s AS _id, 'user' AS type, %[2]s AS session_id, %[3]s AS project_id, ts AS "timestamp",
				TIMESTAMPTZ '2026-01-01 00:00:00Z' + INTERVAL %[4]d MINUTE AS ingested_at, ts AS extracted_at, %[5]d AS content_length,
				ts::DATE AS date, 's' AS source, 'n' AS namespace, 'user' AS source_type, 1 AS _epoch, %[6]d AS _seq, %[7]s AS uuid, ts AS effective_timestamp,
				'timestamp' AS timestamp_source, coalesce(%[7]s, %[1]s) AS response_key, false AS is_meta, false AS is_compact_summary,
				false AS is_api_error, false AS is_nested, 0 AS redaction_version, hash(%[1]s) AS _key
			FROM (SELECT TIMESTAMPTZ '2026-01-01 00:00:00Z' + INTERVAL %[8]d MINUTE AS ts)`,
			text(d.id), text(d.session), text(d.project), d.ingested, d.length, b.batch*1000+int64(i), text(d.uuid), d.minute))
		keys := []string{"r:" + d.uuid}
		if d.uuid == "" {
			keys[0] = "r:" + d.id
		} else {
			keys = append(keys, "u:"+d.uuid)
		}
		if d.toolID != "" {
			keys = append(keys, "t:"+d.toolID)
			statements = append(statements, fmt.Sprintf(`INSERT INTO raw.content_blocks BY NAME
				SELECT 's' AS source, _id, 0 AS block_index, session_id, date, 'tool_use' AS block_type, %s AS tool_name,
					%s AS tool_use_id, 1 AS char_len, _key FROM raw.conversations WHERE _id = %s`, text(d.tool), text(d.toolID), text(d.id)))
		}
		for _, k := range keys {
			statements = append(statements, fmt.Sprintf("INSERT INTO raw.link_keys VALUES (%d, hash(%s), %s)", b.batch, project.Literal(k), project.Literal(d.session)))
		}
	}
	b.exec(t, append(statements, touched)...)
}

// tables are the stored models of a project: those that must not depend on how they came to be.
func tables(t testing.TB, p *project.Project) []*project.Node {
	t.Helper()
	var out []*project.Node
	for _, n := range p.Nodes {
		if n.HasTable() && n.Materialized != project.Seed {
			out = append(out, n)
		}
	}
	return out
}

// freeze copies the stored models into a schema of their own.
func (b *bronze) freeze(t testing.TB, p *project.Project) {
	t.Helper()
	statements := []string{"CREATE SCHEMA IF NOT EXISTS frozen"}
	for _, n := range tables(t, p) {
		statements = append(statements, fmt.Sprintf("CREATE OR REPLACE TABLE frozen.%s AS FROM %s", project.Quote(n.Name), n.Relation()))
	}
	b.exec(t, statements...)
}

type fatalf interface {
	Fatalf(format string, args ...any)
}

// compare names the rows in which the models differ from the frozen copies.
func (b *bronze) compare(t fatalf, p *project.Project, nodes []*project.Node) {
	for _, n := range nodes {
		for _, way := range [][2]string{{"incremental only", "FROM frozen.%[1]s EXCEPT ALL FROM %[2]s"}, {"full only", "FROM %[2]s EXCEPT ALL FROM frozen.%[1]s"}} {
			query := fmt.Sprintf("SELECT to_json(d)::VARCHAR FROM ("+way[1]+") d LIMIT 3", project.Quote(n.Name), n.Relation())
			err := b.db.Read(context.Background(), func(ctx context.Context, tx *warehouse.Tx) error {
				rows, err := tx.Query(ctx, query)
				if err != nil {
					return err
				}
				defer rows.Close()
				for rows.Next() {
					var row string
					if err := rows.Scan(&row); err != nil {
						return err
					}
					t.Fatalf("%s: %s: %s", n.Name, way[0], row)
				}
				return rows.Err()
			})
			if err != nil {
				t.Fatalf("%s: %v", n.Name, err)
			}
		}
	}
}
