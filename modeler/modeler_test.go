package modeler_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler"
	"claude-analytics/modeler/project"
)

// overlay is the small project with some files changed; an empty text takes one away.
func overlay(t testing.TB, files map[string]string) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	err := fs.WalkDir(smallProject, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(smallProject, path)
		out[path] = &fstest.MapFile{Data: text}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range files {
		if text == "" {
			delete(out, path)
			continue
		}
		out[path] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

// replaced is a file's text with a part of it replaced.
func replaced(t testing.TB, path, old, with string) string {
	t.Helper()
	text, err := fs.ReadFile(smallProject, path)
	if err != nil || !strings.Contains(string(text), old) {
		t.Fatalf("%s has no %q (%v)", path, old, err)
	}
	return strings.ReplaceAll(string(text), old, with)
}

// fixture is a warehouse with two sessions.
func fixture(t testing.TB) *bronze {
	t.Helper()
	b := &bronze{db: openWarehouse(t)}
	b.apply(t, []doc{
		{id: "1", session: "a", project: "p", minute: 1, length: 3, toolID: "t1", tool: "Read"},
		{id: "2", session: "a", project: "p", minute: 2, length: 4},
		{id: "3", session: "b", project: "q", minute: 1500, length: 5, toolID: "t2", tool: "Bash"},
	}, nil)
	return b
}

func refresh(t testing.TB, m *modeler.Modeler, opts modeler.Options) modeler.Result {
	t.Helper()
	r, err := m.Refresh(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// query gives a query's rows as text, values joined by blanks.
func (b *bronze) query(t testing.TB, query string) []string {
	t.Helper()
	var out []string
	err := b.db.Read(context.Background(), func(ctx context.Context, tx *warehouse.Tx) error {
		rows, err := tx.Query(ctx, "SELECT concat_ws(' ', *COLUMNS(*)) FROM ("+query+")")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				return err
			}
			out = append(out, s)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func equal(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "; ") != strings.Join(want, "; ") {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// rebuilt are the models that a refresh computed from everything.
func rebuilt(r modeler.Result) map[string]bool {
	out := map[string]bool{}
	for _, m := range r.Models {
		if m.Full {
			out[m.Name] = true
		}
	}
	return out
}

func TestRefresh(t *testing.T) {
	b := fixture(t)
	reg := prometheus.NewRegistry()
	m := modeler.New(modeler.Config{ProjectFS: smallProject}, b.db, zerolog.Nop(), reg)
	if r := refresh(t, m, modeler.Options{}); r.Kind != modeler.KindFull || r.ChangedSessions != 2 {
		t.Errorf("first refresh: %+v", r)
	}
	equal(t, "sessions", b.query(t, "SELECT session_id, records FROM marts.dim_sessions ORDER BY ALL"), "a 2", "b 1")
	equal(t, "tools", b.query(t, "SELECT tool_name, calls FROM marts.dim_tools ORDER BY ALL"), "Bash 1", "Read 1")
	equal(t, "seed", b.query(t, "SELECT tool_name, weight + 1 FROM staging.categories ORDER BY ALL"), "Bash 3", "Read 2")
	equal(t, "view", b.query(t, "SELECT project_id FROM marts.vw_top"), "p")
	equal(t, "staging view", b.query(t, "SELECT count(*) FROM staging.stg_docs"), "3")
	equal(t, "changes left", b.query(t, "SELECT count(*) FROM meta.changed_keys"), "0")

	if r := refresh(t, m, modeler.Options{}); !r.Nothing() {
		t.Errorf("nothing changed, but: %+v", r)
	}

	b.apply(t, []doc{{id: "2", session: "b", project: "q", minute: 1501, length: 4}}, []string{"1"})
	r := refresh(t, m, modeler.Options{})
	if r.Kind != modeler.KindIncremental || r.ChangedSessions != 2 || len(rebuilt(r)) != 0 {
		t.Errorf("second refresh: %+v", r)
	}
	equal(t, "sessions", b.query(t, "SELECT session_id, records FROM marts.dim_sessions ORDER BY ALL"), "b 2")
	equal(t, "days", b.query(t, "SELECT date_key, records FROM marts.agg_daily ORDER BY ALL"), "2026-01-02 2")
	equal(t, "refreshes", b.query(t, "SELECT id, kind, reason, error IS NULL, batch FROM meta.refreshes ORDER BY id"), "1 full request true 1", "2 incremental request true 2")

	s := m.Status()
	if s.Refreshes != 2 || s.Last == nil || s.Last.ID != 2 || s.Running || s.Newest.Format(time.DateTime) != "2026-01-02 01:01:00" {
		t.Errorf("status %+v", s)
	}
	families, err := reg.Gather()
	if err != nil || len(families) != 4 {
		t.Errorf("%d metrics, %v", len(families), err)
	}
}

// A selector that names nothing is its writer's fault: how the models stand is not said to have changed.
func TestSelectorThatNamesNothing(t *testing.T) {
	b := fixture(t)
	m := newModeler(b.db, modeler.Config{})
	refresh(t, m, modeler.Options{})
	before := m.Status()
	for _, opts := range []modeler.Options{{Select: []string{"nope"}}, {Select: []string{"nope:x"}}, {Exclude: []string{"nope:x"}}} {
		if _, err := m.Refresh(t.Context(), opts); !errors.Is(err, modeler.ErrSelector) {
			t.Errorf("%+v: %v", opts, err)
		}
	}
	if after := m.Status(); after.LastError != "" || after.Failures != before.Failures || after.Refreshes != before.Refreshes {
		t.Errorf("status %+v, was %+v", after, before)
	}
	equal(t, "refreshes that failed", b.query(t, "SELECT count(*) FROM meta.refreshes WHERE error IS NOT NULL"), "0")
	if err := modeler.CheckSelectors([]string{"marts.*"}, nil); err != nil {
		t.Error(err)
	}
	if err := modeler.CheckSelectors([]string{"nope"}, nil); !errors.Is(err, modeler.ErrSelector) {
		t.Errorf("the project that is built in: %v", err)
	}
}

// A document more costs its own rows, not those of its session, and only the keys that changed downstream.
func TestCostFollowsTheChange(t *testing.T) {
	b := fixture(t)
	m := newModeler(b.db, modeler.Config{})
	refresh(t, m, modeler.Options{})
	b.apply(t, []doc{{id: "4", session: "a", project: "p", minute: 5000, length: 1}}, nil)
	r := refresh(t, m, modeler.Options{})
	rows := map[string]int64{}
	for _, model := range r.Models {
		rows[model.Name] = model.Rows
	}
	for name, want := range map[string]int64{"fct_docs": 1, "dim_sessions": 2, "dim_projects": 2, "agg_daily": 1, "dim_date": 2, "agg_calendar": 2, "dim_tools": 0} {
		if rows[name] != want {
			t.Errorf("%s: %d rows replaced, want %d", name, rows[name], want)
		}
	}
}

func TestChangedModelIsRebuilt(t *testing.T) {
	b := fixture(t)
	refresh(t, newModeler(b.db, modeler.Config{}), modeler.Options{})
	changed := overlay(t, map[string]string{"marts/fct_docs.sql": replaced(t, "marts/fct_docs.sql", "content_length,", "content_length + 1 as content_length, 'new' as added,")})
	r := refresh(t, newModeler(b.db, modeler.Config{ProjectFS: changed}), modeler.Options{})
	want := map[string]bool{"fct_docs": true, "dim_sessions": true, "dim_projects": true, "agg_daily": true, "agg_calendar": true, "dim_date": true, "rank_projects": true, "vw_top": true}
	got := rebuilt(r)
	for name := range want {
		if !got[name] {
			t.Errorf("%s was not rebuilt", name)
		}
	}
	if len(got) != len(want) {
		t.Errorf("rebuilt %v, want %v", got, want)
	}
	equal(t, "new column", b.query(t, "SELECT added, content_length FROM marts.fct_docs WHERE session_id = 'b'"), "new 6")
	equal(t, "downstream", b.query(t, "SELECT content_length FROM marts.dim_sessions ORDER BY ALL"), "6", "9")

	// A changed seed concerns what reads it.
	changed["seeds/categories.csv"] = &fstest.MapFile{Data: []byte("tool_name,category,weight\nBash,terminal,2\n")}
	got = rebuilt(refresh(t, newModeler(b.db, modeler.Config{ProjectFS: changed}), modeler.Options{}))
	if len(got) != 5 || !got["categories"] || !got["fct_calls"] || !got["dim_tools"] || !got["agg_daily"] || !got["agg_calendar"] {
		t.Errorf("rebuilt %v after the seed changed", got)
	}
	equal(t, "seed downstream", b.query(t, "SELECT category FROM marts.fct_calls ORDER BY ALL"), "other", "terminal")
}

func TestNewColumnInBronze(t *testing.T) {
	b := fixture(t)
	refresh(t, newModeler(b.db, modeler.Config{}), modeler.Options{})
	b.exec(t, "ALTER TABLE raw.conversations ADD COLUMN brand_new VARCHAR")
	if got := rebuilt(refresh(t, newModeler(b.db, modeler.Config{}), modeler.Options{})); !got["fct_docs"] || !got["stg_docs"] {
		t.Errorf("rebuilt %v", got)
	}
}

func TestDroppedAndMovedModels(t *testing.T) {
	b := fixture(t)
	refresh(t, newModeler(b.db, modeler.Config{}), modeler.Options{})
	b.exec(t, "DROP TABLE marts.agg_daily", "DROP VIEW staging.stg_docs")
	refresh(t, newModeler(b.db, modeler.Config{}), modeler.Options{})
	equal(t, "dropped table", b.query(t, "SELECT count(*) FROM marts.agg_daily"), "2")

	moved := overlay(t, map[string]string{
		"marts/vw_top.sql":        replaced(t, "marts/vw_top.sql", "'view'", "'table'"),
		"marts/rank_projects.sql": replaced(t, "marts/rank_projects.sql", "'table'", "'view'"),
		"marts/dim_tools.sql":     "", "marts/_schema.yml": replaced(t, "marts/_schema.yml", "  - {name: dim_tools, description: One row per tool.}\n", ""),
	})
	refresh(t, newModeler(b.db, modeler.Config{ProjectFS: moved}), modeler.Options{})
	equal(t, "kinds", b.query(t, "SELECT view_name FROM duckdb_views() WHERE schema_name = 'marts'"), "rank_projects")
	equal(t, "removed", b.query(t, "SELECT table_name FROM duckdb_tables() WHERE table_name IN ('dim_tools', 'vw_top')"), "vw_top")
	equal(t, "remembered", b.query(t, "SELECT count(*) FROM meta.models WHERE name = 'dim_tools'"), "0")
}

func TestBadSQLKeepsTheMarts(t *testing.T) {
	b := fixture(t)
	files := overlay(t, nil)
	m := newModeler(b.db, modeler.Config{ProjectFS: files})
	refresh(t, m, modeler.Options{})
	good := files["marts/dim_sessions.sql"]
	for name, test := range map[string]struct {
		file, text, want string
	}{
		"binder":  {"marts/dim_sessions.sql", replaced(t, "marts/dim_sessions.sql", "count(*) as records", "count(*) as records, nope"), "marts/dim_sessions.sql:5"},
		"parser":  {"marts/dim_sessions.sql", replaced(t, "marts/dim_sessions.sql", "group by all", "group bye all"), "marts/dim_sessions.sql:9"},
		"runtime": {"marts/dim_sessions.sql", replaced(t, "marts/dim_sessions.sql", "count(*) as records", "('x' || count(*))::int as records"), "marts/dim_sessions.sql"},
		"sessions": {
			"marts/dim_sessions.sql", replaced(t, "marts/dim_sessions.sql", "    fct_docs.session_id", "    'made up' as session_id"),
			"makes rows of sessions that are not its input's",
		},
		"project": {"marts/dim_sessions.sql", "{{ ref('nope') }}", `marts/dim_sessions.sql:1: unknown ref "nope"`},
	} {
		t.Run(name, func(t *testing.T) {
			before := b.query(t, "SELECT max(id) FROM meta.refreshes")
			files[test.file] = &fstest.MapFile{Data: []byte(test.text)}
			b.apply(t, []doc{{id: "5", session: "c", project: "p", minute: 3, length: len(before)}}, nil)
			_, err := m.Refresh(context.Background(), modeler.Options{})
			var bad *modeler.ModelError
			var faults project.Faults
			if (!errors.As(err, &bad) && !errors.As(err, &faults)) || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v, want %s", err, test.want)
			}
			equal(t, "marts", b.query(t, "SELECT session_id FROM marts.dim_sessions ORDER BY ALL"), "a", "b")
			equal(t, "recorded", b.query(t, "SELECT count(*) FROM meta.refreshes WHERE error IS NOT NULL AND id > "+before[0]), "1")
			if s := m.Status(); s.Failures == 0 || s.LastError == "" {
				t.Errorf("status %+v", s)
			}
		})
	}
	files["marts/dim_sessions.sql"] = good
	refresh(t, m, modeler.Options{Reason: modeler.ReasonChange})
	equal(t, "marts", b.query(t, "SELECT session_id FROM marts.dim_sessions ORDER BY ALL"), "a", "b", "c")
	if s := m.Status(); s.Failures != 0 || s.LastError != "" {
		t.Errorf("status %+v", s)
	}
}

func TestKeysOutsideOfTheInput(t *testing.T) {
	b := fixture(t)
	files := overlay(t, map[string]string{"marts/dim_projects.sql": replaced(t, "marts/dim_projects.sql", "p.project_id,", "p.project_id || '!' as project_id,")})
	m := newModeler(b.db, modeler.Config{ProjectFS: files})
	refresh(t, m, modeler.Options{})
	b.apply(t, []doc{{id: "5", session: "c", project: "p", minute: 3}}, nil)
	if _, err := m.Refresh(context.Background(), modeler.Options{}); err == nil || !strings.Contains(err.Error(), "makes rows of values that are not its input's") {
		t.Errorf("error %v", err)
	}
}

// What was left out is made up for.
func TestPartialRefresh(t *testing.T) {
	b := fixture(t)
	m := newModeler(b.db, modeler.Config{})
	refresh(t, m, modeler.Options{})
	b.apply(t, []doc{{id: "5", session: "c", project: "p", minute: 3}}, nil)
	refresh(t, m, modeler.Options{Select: []string{"tag:facts"}})
	equal(t, "facts", b.query(t, "SELECT count(*) FROM marts.fct_docs"), "4")
	equal(t, "sessions", b.query(t, "SELECT count(*) FROM marts.dim_sessions"), "2")
	equal(t, "stale", b.query(t, "SELECT name FROM meta.models WHERE stale ORDER BY ALL"), "agg_calendar", "agg_daily", "dim_date", "dim_projects", "rank_projects") // no call is among the changes
	refresh(t, m, modeler.Options{})
	equal(t, "sessions", b.query(t, "SELECT count(*) FROM marts.dim_sessions"), "3")
	equal(t, "days", b.query(t, "SELECT sum(records) FROM marts.agg_daily"), "4")
	equal(t, "stale", b.query(t, "SELECT count(*) FROM meta.models WHERE stale"), "0")
	if _, err := m.Refresh(context.Background(), modeler.Options{Select: []string{"nope"}}); err == nil {
		t.Error("a selector that matches nothing is no error")
	}
}

func TestRun(t *testing.T) {
	b := fixture(t)
	results := make(chan modeler.Result, 10)
	m := newModeler(b.db, modeler.Config{Debounce: time.Millisecond, OnRefresh: func(r modeler.Result) { results <- r }})
	ctx, cancel := context.WithCancel(context.Background())
	applied := make(chan struct{}, 1)
	stopped := make(chan error)
	go func() { stopped <- m.Run(ctx, applied) }()
	next := func() modeler.Result {
		select {
		case r := <-results:
			return r
		case <-time.After(30 * time.Second):
			t.Fatal("no refresh")
		}
		return modeler.Result{}
	}
	if r := next(); r.Reason != modeler.ReasonStart {
		t.Errorf("%+v", r)
	}
	b.apply(t, []doc{{id: "5", session: "c", project: "p", minute: 3}}, nil)
	applied <- struct{}{}
	if r := next(); r.Reason != modeler.ReasonChange || r.ChangedSessions != 1 {
		t.Errorf("%+v", r)
	}
	cancel()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	for _, cfg := range []modeler.Config{{ReportTZ: "Nowhere/At_all"}, {FullRefreshCron: "now"}} {
		if err := newModeler(b.db, cfg).Run(ctx, nil); err == nil {
			t.Errorf("%+v: no error", cfg)
		}
	}
}
