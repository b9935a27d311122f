package modeler

import "testing"

func TestNamedColumns(t *testing.T) {
	const table = `"raw"."rows"`
	for sql, want := range map[string]bool{
		`select a, b from "raw"."rows"`:                                               true,
		`select * from "raw"."rows"`:                                                  false,
		`select r.* from "raw"."rows" r`:                                              false,
		`select r.* exclude (a) from x join "raw"."rows" as r using (a)`:              false,
		`from "raw"."rows"`:                                                           false,
		`with x as (from "raw"."rows") select a from x`:                               false,
		`select columns('a.*') from "raw"."rows"`:                                     false,
		`select count(*), a * 2, (a) as b from "raw"."rows"`:                          true,
		`select distinct * from "raw"."rows"`:                                         false,
		`with x as (select a from "raw"."rows" where b > 0) select * from x`:          true,
		`with x as (select * from "raw"."rows") select a from x`:                      false,
		`select a, (select * from y) from "raw"."rows"`:                               true,
		`select to_json(r) from "raw"."rows" as r`:                                    false,
		`select r.a from "raw"."rows" as r where r.b = 1`:                             true,
		`select a from x natural join "raw"."rows"`:                                   false,
		`select '*', a -- *` + "\n" + ` from "raw"."rows"`:                            true,
		`select * from y union all select a from "raw"."rows"`:                        true,
		`select a from "raw"."rows" union all select * from "raw"."rows"`:             false,
		`select hash(r.*) from "raw"."rows" r`:                                        false,
		`select a from x join "raw"."rows" as d on d._key = x._key join y on y.d = 1`: true,
	} {
		read := map[string]bool{}
		if got := namedColumns(sql, table, read); got != want {
			t.Errorf("%s: %v, want %v", sql, got, want)
		}
	}
	read := map[string]bool{}
	namedColumns(`select A, "B c", x.d from "raw"."rows" as x where e > 0 order by f`, table, read)
	for _, name := range []string{"a", "b c", "d", "e", "f"} {
		if !read[name] {
			t.Errorf("%s is not among the names", name)
		}
	}
}
