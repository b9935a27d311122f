package project_test

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"claude-analytics/modeler/project"
)

// files makes a project of one staging view and what the test adds; an empty text takes a file away.
func files(add map[string]string) fstest.MapFS {
	all := map[string]string{
		"dbt_project.yml": `
name: shop
model-paths: [staging, marts]
seed-paths: [seeds]
vars: {report_tz: UTC, shop: {limit: 3}}
models:
  shop:
    staging: {+schema: staging, +materialized: view}
    marts:
      +schema: marts
      +materialized: incremental
seeds: {shop: {+schema: staging}}
`,
		"staging/_sources.yml": "sources: [{name: raw, tables: [{name: conversations}]}]\n",
		"staging/_schema.yml":  "models: [{name: stg_rows, columns: [{name: id}]}]\n",
		"staging/stg_rows.sql": "select _id as id, session_id from {{ source('raw', 'conversations') }}\n",
		"seeds/colours.csv":    "name,value\nred,1\n",
		"seeds/_schema.yml":    "seeds: [{name: colours}]\n",
		"marts/_schema.yml":    "models: [{name: fct_rows}]\n",
		"marts/fct_rows.sql":   "{{ config(unique_key='id', meta={'refresh_by': 'session_id'}) }}\nselect * from {{ ref('stg_rows') }}\n",
	}
	for name, text := range add {
		all[name] = text
	}
	out := fstest.MapFS{}
	for name, text := range all {
		if text != "" {
			out[name] = &fstest.MapFile{Data: []byte(text)}
		}
	}
	return out
}

func load(t *testing.T, add map[string]string) *project.Project {
	t.Helper()
	p, err := project.Load(files(add), nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLoad(t *testing.T) {
	p := load(t, nil)
	fct := p.Node("fct_rows")
	if fct.Schema != "marts" || fct.Materialized != project.Incremental || fct.RefreshBy != "session_id" || fct.UniqueKey[0] != "id" {
		t.Errorf("fct_rows: %+v", fct)
	}
	if fct.Scope != project.Session || p.Node("stg_rows").Scope != project.Session || p.Node("colours").Scope != project.Static {
		t.Errorf("scopes: %v %v %v", fct.Scope, p.Node("stg_rows").Scope, p.Node("colours").Scope)
	}
	compiled, err := fct.Compile(project.Names{})
	if err != nil {
		t.Fatal(err)
	}
	if want := `select * from "staging"."stg_rows"`; compiled.SQL != want {
		t.Errorf("compiled %q, want %q", compiled.SQL, want)
	}
	if compiled.Line(1) != 2 {
		t.Errorf("line 1 of the SQL is line %d of the file, want 2", compiled.Line(1))
	}
}

func TestFaults(t *testing.T) {
	for name, test := range map[string]struct {
		add  map[string]string
		want []string
	}{
		"unknown ref":    {map[string]string{"marts/fct_rows.sql": "select 1\nfrom {{ ref('nope') }}"}, []string{`marts/fct_rows.sql:2: unknown ref "nope"`}},
		"unknown source": {map[string]string{"staging/stg_rows.sql": "\nselect 1 from {{ source('raw', 'nope') }}"}, []string{`staging/stg_rows.sql:2: unknown source "raw.nope"`}},
		"cycle": {map[string]string{
			"staging/stg_rows.sql":  "select 1 from {{ ref('stg_other') }}",
			"staging/stg_other.sql": "select 1 from\n {{ ref('stg_rows') }}",
			"staging/_schema.yml":   "models: [{name: stg_rows}, {name: stg_other}]",
		}, []string{"cycle: stg_rows → stg_other → stg_rows"}},
		"duplicate": {map[string]string{"marts/stg_rows.sql": "select 1"}, []string{"same name as staging/stg_rows.sql"}},
		"no entry":  {map[string]string{"marts/_schema.yml": ""}, []string{"marts/fct_rows.sql: fct_rows has no entry in a _schema.yml"}},
		"no file":   {map[string]string{"marts/fct_rows.sql": ""}, []string{"marts/_schema.yml:1: fct_rows has no file"}},
		"bad yaml":  {map[string]string{"marts/_schema.yml": "models:\n  - name: fct_rows\n   oops: 1\n"}, []string{"marts/_schema.yml:", "not YAML"}},
		"misspelt key": {
			map[string]string{"marts/_schema.yml": "models:\n  - name: fct_rows\n    desciption: x\n"},
			[]string{`marts/_schema.yml:3: unknown key "desciption"`},
		},
		"unknown config": {
			map[string]string{"marts/fct_rows.sql": "\n{{ config(materialised='table') }}\nselect 1"},
			[]string{`marts/fct_rows.sql:2: unknown config "materialised"`},
		},
		"unknown folder config": {
			map[string]string{"dbt_project.yml": "name: shop\nmodel-paths: [staging, marts]\nmodels:\n  shop:\n    +schema: s\n    +colour: red\n    +meta: {refresh_by: id}\n    +unique_key: id\n"},
			[]string{`dbt_project.yml:6: unknown config "colour"`},
		},
		"folder that is not there": {
			map[string]string{"dbt_project.yml": "name: shop\nmodel-paths: [staging, marts]\nmodels:\n  shop:\n    +schema: s\n    stagin:\n      +schema: x\n"},
			[]string{`dbt_project.yml:6: no model lies in "stagin"`},
		},
		"materialization":   {map[string]string{"staging/stg_rows.sql": "{{ config(materialized='ephemeral') }} select 1"}, []string{"ephemeral is none of view, table, incremental"}},
		"no refresh_by":     {map[string]string{"marts/fct_rows.sql": "{{ config(unique_key='id') }} select 1"}, []string{"no refresh_by"}},
		"no unique_key":     {map[string]string{"marts/fct_rows.sql": "{{ config(meta={'refresh_by': 'session_id'}) }} select 1"}, []string{"no unique_key"}},
		"jinja syntax":      {map[string]string{"marts/fct_rows.sql": "select 1\n\n{% if %}\n{% endif %}"}, []string{"marts/fct_rows.sql:3: "}},
		"jinja name":        {map[string]string{"marts/fct_rows.sql": "select 1\n, {{ nope }}"}, []string{"marts/fct_rows.sql:2: ", "nope"}},
		"jinja function":    {map[string]string{"marts/fct_rows.sql": "select 1\n, {{ nope(1) }}"}, []string{"marts/fct_rows.sql:2: ", "nope"}},
		"unknown var":       {map[string]string{"marts/fct_rows.sql": "select 1,\n{{ var('nope') }}"}, []string{`marts/fct_rows.sql:2: `, `unknown var "nope"`}},
		"macro":             {map[string]string{"macros/m.sql": "\n{% macro mine() %}{% endmacro %}"}, []string{"macros/m.sql:2: macro mine"}},
		"ragged seed":       {map[string]string{"seeds/colours.csv": "a,b\n1\n"}, []string{"seeds/colours.csv:2: wrong number of fields"}},
		"unknown test":      {map[string]string{"marts/_schema.yml": "models: [{name: fct_rows, columns: [{name: id, tests: [unik]}]}]"}, []string{`unknown test "unik"`}},
		"unknown test arg":  {map[string]string{"marts/_schema.yml": "models: [{name: fct_rows, columns: [{name: id, tests: [{accepted_values: {valuez: [1]}}]}]}]"}, []string{`unknown argument "valuez"`}},
		"relationship to":   {map[string]string{"marts/_schema.yml": "models: [{name: fct_rows, columns: [{name: id, tests: [{relationships: {to: ref('nope'), field: id}}]}]}]"}, []string{`unknown ref "nope"`}},
		"unsupported hooks": {map[string]string{"dbt_project.yml": "name: shop\non-run-start: x\n"}, []string{`dbt_project.yml:2: unknown or unsupported key "on-run-start"`}},
		"keyed reads view": {map[string]string{
			"marts/_schema.yml":  "models: [{name: fct_rows}, {name: agg_rows}]",
			"marts/agg_rows.sql": "{{ config(unique_key='id', meta={'refresh_by': 'id'}) }}\nselect id\nfrom {{ ref('stg_rows') }}",
		}, []string{"marts/agg_rows.sql:3: agg_rows is refreshed by id and cannot read the view stg_rows"}},
		"keyed reads mart without its column": {map[string]string{
			"marts/_schema.yml":  "models: [{name: fct_rows, columns: [{name: id}, {name: session_id}]}, {name: agg_rows}]",
			"marts/agg_rows.sql": "{{ config(unique_key='day', meta={'refresh_by': 'day'}) }}\nselect 1 as day from {{ ref('fct_rows') }}",
		}, []string{"marts/agg_rows.sql:2: agg_rows is refreshed by day, and fct_rows has no such column"}},
		"session reads keyed": {map[string]string{
			"marts/_schema.yml":  "models: [{name: fct_rows}, {name: agg_rows}, {name: dim}]",
			"marts/agg_rows.sql": "{{ config(unique_key='id', meta={'refresh_by': 'id'}) }} select id from {{ ref('fct_rows') }}",
			"marts/dim.sql":      "{{ config(unique_key='id', meta={'refresh_by': 'session_id'}) }} select id from {{ ref('agg_rows') }}",
		}, []string{"marts/dim.sql:1: dim is refreshed by session and cannot read agg_rows (keyed)"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := project.Load(files(test.add), nil)
			var faults project.Faults
			if !errors.As(err, &faults) {
				t.Fatalf("error %v, want faults", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("faults:\n%v\nwant %q among them", err, want)
				}
			}
			for _, f := range faults {
				if f.File == "" || strings.ContainsAny(f.Message, "\x01\x02") {
					t.Errorf("fault %+v", f)
				}
			}
		})
	}
}

// All faults of a project are reported by one load.
func TestFaultsTogether(t *testing.T) {
	_, err := project.Load(files(map[string]string{
		"marts/fct_rows.sql":   "{{ config(colour='red') }} select 1 from {{ ref('nope') }}",
		"staging/stg_rows.sql": "select {{ }}",
		"marts/other.sql":      "select 1",
	}), nil)
	var faults project.Faults
	if !errors.As(err, &faults) || len(faults) < 4 {
		t.Fatalf("faults:\n%v", err)
	}
}

func TestJinja(t *testing.T) {
	p := load(t, map[string]string{"marts/fct_rows.sql": strings.Join([]string{
		"{{ config(",                            // 1
		"    unique_key='id',",                  // 2
		"    meta={'refresh_by': 'session_id'}", // 3
		") }}",                                  // 4
		"{% set kinds = ['a', 'b'] %}",          // 5
		"-- it's {# a",                          // 6
		"   comment #} fine",                    // 7
		"select",                                // 8
		"{% for k in kinds %}",                  // 9
		"    {{ loop.index }} as k_{{ k }}{{ ',' if not loop.last }}", // 10
		"{% endfor %}", // 11
		"{% if is_incremental() %}, 'no' as inc{% else %}, 1 as f{% endif %}",                         // 12
		"from {{ ref('stg_rows') }} -- {{ var('limit') }} {{ var('report_tz') }} {{ var('x', 'y') }}", // 13
		"where {{ this }} = '}}'",           // 14
		"{%- if target.name == 'native' %}", // 15
		"  and true",                        // 16
		"{%- endif %}",                      // 17
		"oops",                              // 18
	}, "\n")})
	c, err := p.Node("fct_rows").Compile(project.Names{Ref: func(n *project.Node) string { return "temp.main." + n.Name }})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(c.SQL, "\n")
	found := map[string]int{}
	for i, line := range lines {
		found[strings.TrimSpace(line)] = c.Line(i + 1)
	}
	for text, want := range map[string]int{
		"select": 8, "1 as k_a,": 10, "2 as k_b": 10, ", 1 as f": 12, `where "marts"."fct_rows" = '}}'`: 14, "and true": 16, "oops": 18,
		"from temp.main.stg_rows -- 3 UTC y": 13,
	} {
		if found[text] != want {
			t.Errorf("%q: line %d, want %d; SQL:\n%s", text, found[text], want, c.SQL)
		}
	}
}

func TestHashFollowsUpstream(t *testing.T) {
	before := load(t, nil)
	after := load(t, map[string]string{"staging/stg_rows.sql": "select _id as id, session_id, 1 as one from {{ source('raw', 'conversations') }}\n"})
	for _, name := range []string{"stg_rows", "fct_rows"} {
		if before.Node(name).Hash == after.Node(name).Hash {
			t.Errorf("hash of %s did not change", name)
		}
	}
	if before.Node("colours").Hash != after.Node("colours").Hash {
		t.Error("hash of the seed changed")
	}
	p, err := project.Load(files(nil), map[string]any{"report_tz": "Europe/Berlin", "undeclared": 1})
	if err != nil {
		t.Fatal(err)
	}
	if p.Vars["report_tz"] != "Europe/Berlin" || p.Vars["undeclared"] != nil {
		t.Errorf("vars %v", p.Vars)
	}
}

func TestTests(t *testing.T) {
	p := load(t, map[string]string{
		"marts/_schema.yml": `
models:
  - name: fct_rows
    columns:
      - name: session_id
      - name: id
        data_tests:
          - not_null
          - unique: {config: {severity: warn}}
          - accepted_values: {arguments: {values: [a, "it's"]}, config: {where: "id > 'a'"}}
          - relationships: {to: ref('stg_rows'), field: id}
`,
		"tests/no_orphans.sql": "{{ config(severity='warn') }}\nselect * from {{ ref('fct_rows') }} where id is null",
	})
	want := map[string]string{
		"not_null_fct_rows_id":        `SELECT * FROM "marts"."fct_rows" WHERE "id" IS NULL`,
		"accepted_values_fct_rows_id": `SELECT "id", count(*) AS n FROM (SELECT * FROM "marts"."fct_rows" WHERE id > 'a') WHERE "id" IS NOT NULL AND "id"::VARCHAR NOT IN ('a', 'it''s') GROUP BY 1`,
		"relationships_fct_rows_id":   `SELECT c."id" FROM "marts"."fct_rows" c WHERE c."id" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM "staging"."stg_rows" p WHERE p."id" = c."id")`,
		"no_orphans":                  `select * from "marts"."fct_rows" where id is null`,
	}
	if len(p.Tests) != 5 {
		t.Fatalf("%d tests, want 5", len(p.Tests))
	}
	for _, test := range p.Tests {
		sql, err := test.SQL()
		if err != nil {
			t.Fatal(err)
		}
		if w, ok := want[test.Name]; ok && sql != w {
			t.Errorf("%s:\n got %s\nwant %s", test.Name, sql, w)
		}
	}
}
