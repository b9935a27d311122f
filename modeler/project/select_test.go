package project_test

import (
	"strings"
	"testing"
)

func TestSelect(t *testing.T) {
	p := load(t, map[string]string{
		"dbt_project.yml": `
name: shop
model-paths: [staging, marts]
models:
  shop:
    staging: {+schema: staging}
    marts: {+schema: marts, +materialized: incremental, aggregates: {+tags: [daily]}}
seeds: {+schema: staging}
`,
		"marts/_schema.yml":             "models: [{name: fct_rows}, {name: dim_rows}, {name: agg_rows}, {name: all_rows}]",
		"marts/dim_rows.sql":            "{{ config(unique_key='id', meta={'refresh_by': 'session_id'}, tags='dims') }} select id from {{ ref('fct_rows') }}",
		"marts/aggregates/agg_rows.sql": "{{ config(unique_key='id', meta={'refresh_by': 'id'}) }} select id from {{ ref('fct_rows') }}",
		"marts/all_rows.sql":            "{{ config(materialized='table', tags=['dims', 'big']) }} select id from {{ ref('dim_rows') }}",
	})
	for _, test := range []struct{ selector, exclude, want string }{
		{"", "", "colours stg_rows fct_rows agg_rows dim_rows all_rows"},
		{"fct_rows", "", "fct_rows"},
		{"staging.*", "", "stg_rows"},
		{"staging", "", "stg_rows"},
		{"shop.staging.stg_rows", "", "stg_rows"},
		{"marts.*", "", "fct_rows agg_rows dim_rows all_rows"},
		{"marts.aggregates.*", "", "agg_rows"},
		{"aggregates", "", "agg_rows"},
		{"*_rows", "dim_*", "stg_rows fct_rows agg_rows all_rows"},
		{"path:marts/aggregates", "", "agg_rows"},
		{"marts/aggregates/agg_rows.sql", "", "agg_rows"},
		{"file:agg_rows.sql", "", "agg_rows"},
		{"tag:dims", "", "dim_rows all_rows"},
		{"tag:dims,tag:big", "", "all_rows"},
		{"tag:daily stg_rows", "", "stg_rows agg_rows"},
		{"config.materialized:incremental", "", "fct_rows agg_rows dim_rows"},
		{"config.materialized:incremental,tag:dims", "", "dim_rows"},
		{"+dim_rows", "", "stg_rows fct_rows dim_rows"},
		{"1+dim_rows", "", "fct_rows dim_rows"},
		{"dim_rows+", "", "dim_rows all_rows"},
		{"fct_rows+1", "", "fct_rows agg_rows dim_rows"},
		{"+dim_rows+", "", "stg_rows fct_rows dim_rows all_rows"},
		{"@dim_rows", "", "stg_rows fct_rows dim_rows all_rows"},
		{"+agg_rows,marts.*", "", "fct_rows agg_rows"},
		{"source:raw+", "colours", "stg_rows fct_rows agg_rows dim_rows all_rows"},
		{"source:raw.conversations", "", "stg_rows"},
		{"resource_type:seed", "", "colours"},
		{"config.meta.refresh_by:id", "", "agg_rows"},
		{"+all_rows", "tag:dims", "stg_rows fct_rows"},
	} {
		nodes, err := p.Select([]string{test.selector}, []string{test.exclude})
		if err != nil {
			t.Errorf("%q: %v", test.selector, err)
			continue
		}
		var names []string
		for _, n := range nodes {
			names = append(names, n.Name)
		}
		// Ties are ordered by name and dependency; compare as sets that keep the order of the whole project.
		if got := strings.Join(names, " "); !sameSet(got, test.want) {
			t.Errorf("%q without %q: %s, want %s", test.selector, test.exclude, got, test.want)
		}
	}
	for _, selector := range []string{"nope", "tag:nope", "nope:x", "config.nope:x", "+", "[", "fct_rows,stg_rows"} {
		if _, err := p.Select([]string{selector}, nil); err == nil {
			t.Errorf("%q: no error", selector)
		}
	}
}

func sameSet(a, b string) bool {
	x, y := map[string]bool{}, map[string]bool{}
	for _, s := range strings.Fields(a) {
		x[s] = true
	}
	for _, s := range strings.Fields(b) {
		y[s] = true
	}
	if len(x) != len(y) {
		return false
	}
	for s := range x {
		if !y[s] {
			return false
		}
	}
	return true
}
