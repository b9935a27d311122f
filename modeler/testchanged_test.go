package modeler_test

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"claude-analytics/modeler"
)

// testedProject is the small project with a test of every kind that a refresh can run by itself.
func testedProject(t *testing.T) fstest.MapFS {
	t.Helper()
	schema := replaced(t, "marts/_schema.yml", "- {name: session_id}", "- {name: session_id, tests: [accepted_values: {values: [a, b, c, d], where: content_length > 100}]}")
	schema = strings.Replace(schema, "- {name: content_length}", "- {name: content_length, tests: [{accepted_values: {values: [3, 4, 5, 6, 200]}}]}", 1)
	staging := replaced(t, "staging/_schema.yml", `"One row per record; of the copies the first stays."}`,
		`"One row per record.", columns: [{name: record_id, tests: [unique]}, {name: content_length, tests: [{accepted_values: {values: [3, 4, 5, 6, 200, 7]}}]}]}`)
	return overlay(t, map[string]string{"marts/_schema.yml": schema, "staging/_schema.yml": staging})
}

// failing are the tests that do not pass, by the status.
func failing(m *modeler.Modeler) string {
	var out []string
	for _, r := range m.Status().Tests.Failing {
		out = append(out, r.Name+" "+r.Status)
	}
	return strings.Join(out, ", ")
}

func test(t testing.TB, m *modeler.Modeler) {
	t.Helper()
	if _, err := m.Test(context.Background(), nil, nil); err != nil {
		t.Fatal(err)
	}
}

// A refresh tests what it computed: a fault is known at once, without a look at what did not change.
func TestChangedRowsAreTested(t *testing.T) {
	b := fixture(t)
	m := newModeler(b.db, modeler.Config{ProjectFS: testedProject(t)})
	refresh(t, m, modeler.Options{})
	test(t, m)
	if got := failing(m); got != "" || m.Status().Tests.Due != 0 {
		t.Fatalf("at first %s, %+v", got, m.Status().Tests)
	}
	before := m.Status().Tests.Passed

	b.apply(t, []doc{{id: "4", session: "c", project: "p", minute: 3, length: 7}}, nil)
	refresh(t, m, modeler.Options{Reason: modeler.ReasonChange})
	if got := failing(m); got != "accepted_values_fct_docs_content_length fail" {
		t.Errorf("a value that is not accepted: %s", got)
	}
	equal(t, "kept", b.query(t, "SELECT name, failures FROM meta.test_results WHERE status = 'fail'"), "accepted_values_fct_docs_content_length 1")

	// A second fault of another session adds to the first; how many there are is found by looking at all rows.
	b.apply(t, []doc{{id: "5", session: "d", project: "p", minute: 4, length: 8}}, nil)
	refresh(t, m, modeler.Options{Reason: modeler.ReasonChange})
	if got := failing(m); got != "accepted_values_fct_docs_content_length fail, accepted_values_stg_docs_content_length fail" {
		t.Errorf("two faults: %s", got)
	}
	test(t, m)
	equal(t, "both", b.query(t, "SELECT failures FROM meta.test_results WHERE name = 'accepted_values_fct_docs_content_length'"), "2")

	// Mending one does not make the test pass; mending both does.
	b.apply(t, []doc{{id: "5", session: "d", project: "p", minute: 4, length: 5}}, nil)
	refresh(t, m, modeler.Options{Reason: modeler.ReasonChange})
	if got := failing(m); !strings.Contains(got, "accepted_values_fct_docs_content_length fail") {
		t.Errorf("one is left: %s", got)
	}
	b.apply(t, []doc{{id: "4", session: "c", project: "p", minute: 3, length: 5}}, nil)
	refresh(t, m, modeler.Options{Reason: modeler.ReasonChange})
	test(t, m)
	if got := failing(m); got != "" || m.Status().Tests.Passed != before {
		t.Errorf("mended: %s, %+v", got, m.Status().Tests)
	}

	// where restricts a test, and a row without a session is one to it.
	b.apply(t, []doc{{id: "6", project: "p", minute: 5, length: 6}}, nil)
	refresh(t, m, modeler.Options{Reason: modeler.ReasonChange})
	if got := failing(m); got != "" {
		t.Errorf("below the limit: %s", got)
	}
	b.apply(t, []doc{{id: "6", project: "p", minute: 5, length: 200}}, nil)
	refresh(t, m, modeler.Options{Reason: modeler.ReasonChange})
	if got := failing(m); got != "accepted_values_fct_docs_session_id fail" {
		t.Errorf("beyond it: %s", got)
	}
}

// What a row refers to is looked for among what was computed with it, and then everywhere.
func TestRelationshipsOfChangedRows(t *testing.T) {
	b := fixture(t)
	schema := replaced(t, "marts/_schema.yml", "- {name: content_length}",
		"- {name: content_length, tests: [relationships: {to: \"ref('dim_sessions')\", field: content_length, where: content_length >= 1000}]}")
	m := newModeler(b.db, modeler.Config{ProjectFS: overlay(t, map[string]string{"marts/_schema.yml": schema})})
	refresh(t, m, modeler.Options{})
	test(t, m)
	for _, c := range []struct {
		what, want string
		docs       []doc
	}{
		{"a session that refers to itself", "", []doc{{id: "4", session: "c", length: 1000}}},
		{"one that refers to another, which did not change", "", []doc{{id: "5", session: "d", length: 1000}, {id: "6", session: "d", length: 1}}},
		{"one that refers to none", "relationships_fct_docs_content_length fail", []doc{{id: "7", session: "e", length: 2000}, {id: "8", session: "e", length: 1}}},
	} {
		b.apply(t, c.docs, nil)
		refresh(t, m, modeler.Options{Reason: modeler.ReasonChange})
		if got := failing(m); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

// What another process found is known, and a rebuild in parts looks at all rows of a view over documents.
func TestResultsOutliveTheProcess(t *testing.T) {
	b := fixture(t)
	fs := testedProject(t)
	b.apply(t, []doc{{id: "4", session: "c", project: "p", minute: 3, length: 8}}, nil)
	refresh(t, newModeler(b.db, modeler.Config{ProjectFS: fs, Chunk: 1}), modeler.Options{})
	m := newModeler(b.db, modeler.Config{ProjectFS: fs, Chunk: 1})
	refresh(t, m, modeler.Options{})
	if got := failing(m); got != "accepted_values_stg_docs_content_length fail" {
		t.Errorf("after a rebuild in parts: %s", got)
	}
	test(t, m) // the view is too large to be asked whole
	if got := failing(m); got != "accepted_values_fct_docs_content_length fail, accepted_values_stg_docs_content_length fail" {
		t.Errorf("after a run of all tests: %s", got)
	}
	b.apply(t, []doc{{id: "4", session: "c", project: "p", minute: 3, length: 5}}, nil)
	refresh(t, m, modeler.Options{Full: true})
	test(t, m)
	if got := failing(m); got != "" {
		t.Errorf("mended and rebuilt: %s", got)
	}
}

// A test that cannot be run is a result, never a reason for the marts to stay as they were.
func TestBrokenTestDoesNotStopARefresh(t *testing.T) {
	b := fixture(t)
	schema := replaced(t, "marts/_schema.yml", "- {name: content_length}", "- {name: content_length, tests: [not_null: {where: no_such_column > 1}]}")
	staging := replaced(t, "staging/_schema.yml", `"One row per tool call."`, `"One row per tool call.", columns: [{name: gone, tests: [unique]}]`)
	m := newModeler(b.db, modeler.Config{ProjectFS: overlay(t, map[string]string{"marts/_schema.yml": schema, "staging/_schema.yml": staging})})
	refresh(t, m, modeler.Options{})
	b.apply(t, []doc{{id: "4", session: "a", project: "p", minute: 3, length: 5, toolID: "t9", tool: "Read"}}, nil)
	refresh(t, m, modeler.Options{Reason: modeler.ReasonChange})
	equal(t, "the marts", b.query(t, "SELECT records FROM marts.dim_sessions WHERE session_id = 'a'"), "3")
	test(t, m)
	if got := failing(m); got != "not_null_fct_docs_content_length error, unique_stg_calls_gone error" {
		t.Errorf("tests: %s", got)
	}
}

// The service runs what is due beside its refreshes: singular tests, and those whose referred rows went.
func TestDueTestsAreRun(t *testing.T) {
	b := fixture(t)
	m := newModeler(b.db, modeler.Config{ProjectFS: testedProject(t), Debounce: time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	applied := make(chan struct{}, 1)
	go func() { stopped <- m.Run(ctx, applied) }()
	until := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %s, %+v", what, failing(m), m.Status())
			}
		}
	}
	until("all tests pass", func() bool { s := m.Status().Tests; return s.Due == 0 && s.Passed == 8 })
	b.apply(t, []doc{{id: "4", session: "c", project: "p", minute: 3, length: -1}}, nil)
	applied <- struct{}{}
	until("the singular test fails", func() bool { return strings.Contains(failing(m), "no_negative_lengths fail") })
	b.apply(t, []doc{{id: "4", session: "c", project: "p", minute: 3, length: 3}}, nil)
	applied <- struct{}{}
	until("all pass again", func() bool { s := m.Status().Tests; return s.Due == 0 && s.Passed == 8 })
	cancel()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// A rule's version is part of what is built by it.
func TestChangedRuleRebuilds(t *testing.T) {
	b := fixture(t)
	with := func(version string) fstest.MapFS {
		return overlay(t, map[string]string{"marts/_schema.yml": replaced(t, "marts/_schema.yml", "- {name: position}", "- {name: position, config: {meta: {rule_version: "+version+"}}}")})
	}
	r := refresh(t, newModeler(b.db, modeler.Config{ProjectFS: with("1")}), modeler.Options{})
	if len(r.Rules) != 1 || r.Rules[0] != (modeler.RuleChange{Rule: "position", To: 1}) {
		t.Errorf("at first %+v", r.Rules)
	}
	m := newModeler(b.db, modeler.Config{ProjectFS: with("1")})
	if r = refresh(t, m, modeler.Options{}); !r.Nothing() {
		t.Errorf("nothing changed, but %+v", r)
	}
	r = refresh(t, newModeler(b.db, modeler.Config{ProjectFS: with("2")}), modeler.Options{})
	if got := rebuilt(r); !got["fct_docs"] || !got["agg_daily"] || !got["dim_projects"] || got["fct_calls"] || got["dim_tools"] {
		t.Errorf("rebuilt %v", got)
	}
	if len(r.Rules) != 1 || r.Rules[0] != (modeler.RuleChange{Rule: "position", From: 1, To: 2}) {
		t.Errorf("changed %+v", r.Rules)
	}
	equal(t, "versions", b.query(t, "SELECT rule, version FROM meta.rule_versions ORDER BY applied_at"), "position 1", "position 2")
}
