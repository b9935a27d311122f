package e2e_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"claude-analytics/internal/mongotest"
)

// eachRowOf hands over every row of every table of a DuckDB file as text.
func eachRowOf(t testing.TB, path string, fn func(table, row string)) (tables int) {
	t.Helper()
	db, err := sql.Open("duckdb", path+"?access_mode=READ_ONLY")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	names := texts(t, db, "SELECT format('{}.{}', schema_name, table_name) FROM duckdb_tables() WHERE NOT internal")
	for _, name := range names {
		for _, row := range texts(t, db, "SELECT x::VARCHAR FROM "+name+" x") {
			fn(name, row)
		}
	}
	return len(names)
}

func texts(t testing.TB, db *sql.DB, query string) (all []string) {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// Retention removes old dates from lake, warehouse, marts and the published copy; a verification against the source, which
// still has them, misses nothing, and neither do the marts differ from those of the rest.
func TestOlderThan(t *testing.T) {
	t.Parallel()
	long(t)
	dir, _ := generate(t, "--sessions", "12", "--seed", "61")
	data := t.TempDir()
	untilIdle(t, data, dir)
	const age = "300d"
	before := time.Now().UTC().AddDate(0, 0, -300).Format(time.DateOnly)
	old := number(t, data, "SELECT count(*) FROM raw.conversations WHERE date < '"+before+"'")
	rest := number(t, data, "SELECT count(*) FROM raw.conversations WHERE date >= '"+before+"'")
	if old == 0 || rest == 0 {
		t.Fatalf("%d documents are older, %d are not", old, rest)
	}
	if plan := mustRun(t, "gc", "--older-than", age, "--dry-run", "--data-dir", data); !strings.Contains(plan, fmt.Sprint(old)) {
		t.Errorf("the dry run does not name %d rows: %s", old, plan)
	}
	mustRun(t, "gc", "--older-than", age, "--yes", "--data-dir", data)
	if n := number(t, data, "SELECT count(*) FROM raw.conversations"); n != rest {
		t.Errorf("%d rows are left, not %d", n, rest)
	}
	if n := number(t, data, "SELECT count(*) FROM marts.fct_messages WHERE date_key < '"+before+"'"); n != 0 {
		t.Errorf("%d messages of before are in the marts", n)
	}
	if files, _ := filepath.Glob(filepath.Join(data, "raw", "date=*", "*.parquet")); len(files) == 0 || filepath.Base(filepath.Dir(files[0])) < "date="+before {
		t.Errorf("the lake has %v", files)
	}
	for _, args := range [][]string{{"verify"}, {"verify", "--deep"}} {
		r := runProgram(t, nil, append(args, "--data-dir", data, "--transcripts", dir, "--source", "test")...)
		if r.code != 0 || !strings.Contains(r.stdout, "Nothing differs") || !strings.Contains(r.stdout, "not missed") {
			t.Errorf("%v: exit code %d\n%s", args, r.code, r.stdout)
		}
	}
	want := martSums(t, data)
	mustRun(t, "transform", "--full-refresh", "--data-dir", data)
	sameMarts(t, martSums(t, data), want, "built anew after retention")
	copied := filepath.Join(data, "marts.duckdb")
	if _, err := os.Stat(copied); err != nil {
		t.Fatal(err)
	}
	days := map[string]bool{}
	db, err := sql.Open("duckdb", copied+"?access_mode=READ_ONLY")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, day := range texts(t, db, "SELECT DISTINCT date_key::VARCHAR FROM main.fct_messages") {
		days[day] = true
		if day < before {
			t.Errorf("the published copy has messages of %s", day)
		}
	}
	if len(days) == 0 {
		t.Error("the published copy is empty")
	}
}

// A project goes as a whole, from the published copy too, while a service runs.
func TestEraseProject(t *testing.T) {
	t.Parallel()
	long(t)
	p := plant(t, "23", "5")
	const own = "-home-quokkaplanted7351-own"
	from := filepath.Join(p.dir, p.project)
	if err := os.CopyFS(filepath.Join(p.dir, own), os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	for _, path := range p.files { // the word is in the one project alone
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	data := t.TempDir()
	service := startService(t, data, nil, "up", "--transcripts", p.dir, "--source", "test")
	service.info()
	published := func() int64 {
		return soon(t, data, "SELECT count(*) FROM marts.dim_projects WHERE project_id = '"+own+"'")
	}
	eventually(t, "the project is published", func() bool { return published() == 1 })
	if err := os.RemoveAll(filepath.Join(p.dir, own)); err != nil {
		t.Fatal(err)
	}
	t.Log(mustRun(t, "gc", "--erase", "--project", own, "--yes", "--data-dir", data))
	eventually(t, "a copy without it is published", func() bool { return published() == 0 })
	if code := service.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if found := traces(t, data, own, word, p.session); len(found) > 0 {
		t.Errorf("it is still there: %v", found)
	}
	other := t.TempDir()
	untilIdle(t, other, p.dir)
	sameMarts(t, martSums(t, data), martSums(t, other), "erased")
}

// What was deleted in a collection goes physically, and nothing else does.
func TestEraseDeleted(t *testing.T) {
	t.Parallel()
	long(t)
	server := mongotest.Start(t, mongotest.Options{})
	coll := server.Database(t).Collection("conversations")
	document := func(n int, text string) bson.D {
		return bson.D{
			{Key: "type", Value: "user"},
			{Key: "sessionId", Value: fmt.Sprintf("s%d", n%3)},
			{Key: "projectId", Value: "p"},
			{Key: "timestamp", Value: time.Date(2026, 3, 1, 10, n%60, 0, 0, time.UTC)},
			{Key: "message", Value: bson.D{{Key: "role", Value: "user"}, {Key: "content", Value: text}}},
		}
	}
	var all []any
	for n := range 60 {
		text := "stays"
		if n%6 == 0 {
			text = word
		}
		all = append(all, document(n, text))
	}
	if _, err := coll.InsertMany(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	env := mongoEnv(server, coll)
	mustRunWith(t, env, "up", "--data-dir", data, "--until-idle")
	if found := traces(t, data, word); len(found) < 4 {
		t.Fatalf("the search finds too little to be trusted: %v", found)
	}
	if _, err := coll.DeleteMany(t.Context(), bson.D{{Key: "message.content", Value: word}}); err != nil {
		t.Fatal(err)
	}
	mustRunWith(t, env, "up", "--data-dir", data, "--until-idle")
	t.Log(mustRun(t, "gc", "--erase", "--yes", "--data-dir", data))
	if found := traces(t, data, word); len(found) > 0 {
		t.Errorf("it is still there: %v", found)
	}
	mustRunWith(t, env, "up", "--data-dir", data, "--until-idle")
	sameAsSource(t, warehouseContent(t, data), sourceContent(t, coll))
	r := runProgram(t, env, "verify", "--deep", "--data-dir", data)
	if r.code != 0 {
		t.Errorf("verify: exit code %d\n%s", r.code, r.stdout)
	}
}
