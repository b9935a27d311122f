package project_test

import (
	"strings"
	"testing"
	"time"

	"claude-analytics/modeler/project"
)

// Contracts and freshness make tests that nobody wrote.
func TestImpliedTests(t *testing.T) {
	p := load(t, map[string]string{
		"marts/_schema.yml": `
models:
  - name: fct_rows
    config: {contract: {enforced: true}}
    columns: [{name: id, data_type: varchar}, {name: session_id, data_type: varchar}]
`,
		"staging/_sources.yml": `
sources:
  - name: raw
    config:
      loaded_at_field: seen
      freshness: {warn_after: {count: 24, period: hour}, error_after: {count: 2, period: day}}
    tables:
      - {name: conversations, config: {meta: {freshness_severity: warn}}}
      - {name: blocks, config: {freshness: null}}
      - {name: other, loaded_at_field: "least(a, b)", freshness: {error_after: {count: 5, period: minute}}}
`,
	})
	got := map[string]*project.Test{}
	for _, test := range p.Tests {
		got[test.Name] = test
	}
	if len(got) != 3 || got["contract_fct_rows"] == nil || got["freshness_raw_conversations"] == nil || got["freshness_raw_other"] == nil {
		t.Fatalf("tests %v", got)
	}
	if f := got["freshness_raw_conversations"]; f.Severity != project.SeverityWarn ||
		f.Source.Freshness != (project.Freshness{Warn: 24 * time.Hour, Error: 48 * time.Hour, LoadedAt: "seen", Severity: "warn"}) {
		t.Errorf("%+v of %+v", f, f.Source.Freshness)
	}
	if f := got["freshness_raw_other"]; f.Severity != project.SeverityError ||
		f.Source.Freshness != (project.Freshness{Error: 5 * time.Minute, LoadedAt: "least(a, b)"}) {
		t.Errorf("%+v of %+v", f, f.Source.Freshness)
	}
}

func TestFaultsOfImpliedTests(t *testing.T) {
	model := func(text string) map[string]string {
		return map[string]string{"marts/_schema.yml": "models:\n  - name: fct_rows\n" + text}
	}
	source := func(text string) map[string]string {
		return map[string]string{"staging/_sources.yml": "sources:\n  - name: raw\n    tables: [{name: conversations}]\n    config:\n" + text}
	}
	for name, test := range map[string]struct {
		add  map[string]string
		want string
	}{
		"contract without a type":   {model("    config: {contract: {enforced: true}}\n    columns:\n      - name: id\n"), "marts/_schema.yml:5: fct_rows has an enforced contract, and id no data_type"},
		"contract of another shape": {model("    config: {contract: yes}\n"), "is not {enforced: true or false}"},
		"period":                    {source("      freshness: {warn_after: {count: 1, period: year}}\n"), `staging/_sources.yml:5: period "year" is none of`},
		"count":                     {source("      freshness:\n        warn_after: {count: none, period: hour}\n"), `staging/_sources.yml:6: count "none" is no number`},
		"limit":                     {source("      freshness: {warn: 1}\n"), `unknown key "warn"`},
		"severity":                  {source("      meta: {freshness_severity: loud}\n"), "freshness_severity loud is neither"},
		"rule version":              {model("    columns: [{name: id, config: {meta: {rule_version: one}}}]\n"), "fct_rows.id: rule_version one is no whole number above 0"},
		"rule of two versions": {
			model("    columns: [{name: id, config: {meta: {rule_version: 1}}}, {name: key, config: {meta: {rule_version: 2, rule: id}}}]\n"),
			"rule id has version 2 in fct_rows.key, and 1 in fct_rows.id",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := project.Load(files(test.add), nil); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// A rule's version changes the hash of what names it and of what is computed from that, and of nothing else.
func TestRuleVersionsAreHashed(t *testing.T) {
	with := func(version string) *project.Project {
		return load(t, map[string]string{
			"staging/_schema.yml": "models: [{name: stg_rows, columns: [{name: id}]}, {name: stg_other}]\n", "staging/stg_other.sql": "select 1 as id",
			"marts/_schema.yml": "models: [{name: fct_rows, columns: [{name: session_id}, {name: id, meta: {rule_version: " + version + "}}]}, {name: top}]",
			"marts/top.sql":     "{{ config(materialized='table') }} select * from {{ ref('fct_rows') }}",
		})
	}
	one, two := with("1"), with("2")
	for name, changes := range map[string]bool{"fct_rows": true, "top": true, "stg_rows": false, "stg_other": false} {
		if (one.Node(name).Hash != two.Node(name).Hash) != changes {
			t.Errorf("%s: changed %v, want %v", name, !changes, changes)
		}
	}
	if len(two.Rules) != 1 || two.Rules[0] != (project.Rule{Name: "id", Version: 2}) {
		t.Errorf("rules %v", two.Rules)
	}
}

func TestSameType(t *testing.T) {
	for _, same := range [][2]string{
		{"timestamptz", "TIMESTAMP WITH TIME ZONE"}, {"bigint", "BIGINT"}, {"int8", "bigint"}, {"text", "VARCHAR"}, {"decimal(18, 9)", "DECIMAL(18,9)"}, {"numeric(3,1)", "DECIMAL(3,1)"}, {"bool", "BOOLEAN"},
	} {
		if !project.SameType(same[0], same[1]) {
			t.Errorf("%s is not %s", same[0], same[1])
		}
	}
	for _, other := range [][2]string{{"bigint", "INTEGER"}, {"decimal(18,9)", "DECIMAL(18,6)"}, {"timestamp", "timestamptz"}} {
		if project.SameType(other[0], other[1]) {
			t.Errorf("%s is %s", other[0], other[1])
		}
	}
}
