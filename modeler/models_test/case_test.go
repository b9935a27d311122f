// Package models_test runs the models on hand-written transcripts and compares what they make of them with what was worked
// out by hand. A case is one txtar file: the transcripts, and in "want" queries with their rows; in "zone" REPORT_TZ, if it
// is not UTC.
package models_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler"
)

var update = flag.Bool("update", false, "write what the models say into the cases; read the difference before you keep it")

func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	workshops := make(chan *workshop, 2)
	for range cap(workshops) {
		workshops <- newWorkshop(t)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			runCase(t, file, workshops)
		})
	}
}

func runCase(t *testing.T, file string, workshops chan *workshop) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var documents []bronzeDocument
	var want *txtar.File
	zone := ""
	for i := range archive.Files {
		f := &archive.Files[i]
		switch f.Name {
		case "want":
			want = f
			continue
		case "zone":
			zone = strings.TrimSpace(string(f.Data))
			continue
		}
		more, err := transcript(f.Name, f.Data, uint64(len(documents)))
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, more...)
	}
	if want == nil {
		t.Fatal("nothing wanted")
	}

	// The documents come in two portions and in an order that no reader would make: what counts is what they say.
	rand.New(rand.NewPCG(1, uint64(len(file)))).Shuffle(len(documents), func(i, j int) { documents[i], documents[j] = documents[j], documents[i] })
	for i := range documents {
		documents[i].row.Seq = int64(i + 1)
	}
	var w *workshop
	if zone == "" {
		w = <-workshops
		defer func() { workshops <- w }()
	} else {
		w = newWorkshopIn(t, zone)
	}
	w.clear(t)
	half := len(documents) / 2
	w.apply(t, documents[:half])
	w.compute(t)
	w.exec(t, "DELETE FROM meta.changed_keys") // the marts hold them
	w.apply(t, documents[half:])
	w.refresh(t, modeler.Options{})
	got := answers(t, w.db, string(want.Data))
	if *update && got != string(want.Data) {
		want.Data = []byte(got)
		rewrite(t, file, archive)
	} else if got != string(want.Data) {
		t.Errorf("the models say otherwise:\n%s", difference(string(want.Data), got))
	}

	refreshed := contents(t, w.db)
	w.compute(t)
	if rebuilt := contents(t, w.db); rebuilt != refreshed {
		t.Errorf("a rebuild makes other tables:\n%s", difference(refreshed, rebuilt))
	}
}

func rewrite(t *testing.T, file string, archive *txtar.Archive) {
	t.Helper()
	if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// answers runs the queries of a want file. Each stands above a line "----", its rows below, up to an empty line.
func answers(t *testing.T, db *warehouse.DB, want string) string {
	t.Helper()
	var out []string
	for _, block := range strings.Split(strings.TrimSpace(want), "\n\n") {
		query, _, _ := strings.Cut(block, "\n----")
		var code []string
		for _, line := range strings.Split(query, "\n") {
			if !strings.HasPrefix(line, "#") {
				code = append(code, line)
			}
		}
		rows := rowsOf(t, db, strings.Join(code, "\n"))
		out = append(out, strings.Join(append([]string{query, "----"}, rows...), "\n"))
	}
	return strings.Join(out, "\n\n") + "\n"
}

func rowsOf(t *testing.T, db *warehouse.DB, query string) []string {
	t.Helper()
	var out []string
	err := db.Read(t.Context(), func(ctx context.Context, tx *warehouse.Tx) error {
		rows, err := tx.Query(ctx, query)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // Err says it
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		for rows.Next() {
			values, into := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				return err
			}
			cells := make([]string, len(values))
			for i, v := range values {
				cells[i] = cell(v)
			}
			out = append(out, strings.Join(cells, " | "))
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatalf("%v, in:\n%s", err, query)
	}
	return out
}

func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case time.Time:
		if v.Equal(v.Truncate(24*time.Hour)) && v.Location() == time.UTC {
			return v.Format(time.DateOnly)
		}
		return v.UTC().Format("2006-01-02T15:04:05.000Z")
	case string:
		return strings.ReplaceAll(v, "\n", `\n`)
	default:
		return fmt.Sprint(v)
	}
}

// contents is every stored row of every model, sorted.
func contents(t *testing.T, db *warehouse.DB) string {
	t.Helper()
	var tables []string
	err := db.Read(t.Context(), func(ctx context.Context, tx *warehouse.Tx) error {
		all, err := tx.Tables(ctx)
		for _, table := range all {
			if !table.View && (table.Schema == "marts" || table.Schema == "intermediate") {
				tables = append(tables, table.Schema+"."+table.Name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, table := range tables {
		for _, row := range rowsOf(t, db, "SELECT * FROM "+table) {
			out = append(out, table+": "+row)
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// difference lists the lines that only one of two texts has.
func difference(want, got string) string {
	lines := func(text string) map[string]int {
		n := map[string]int{}
		for line := range strings.SplitSeq(text, "\n") {
			n[line]++
		}
		return n
	}
	wanted, have := lines(want), lines(got)
	var out []string
	for line := range strings.SplitSeq(want, "\n") {
		if wanted[line] > have[line] {
			out = append(out, "- "+line)
		}
	}
	for line := range strings.SplitSeq(got, "\n") {
		if have[line] > wanted[line] {
			out = append(out, "+ "+line)
		}
	}
	return strings.Join(out, "\n")
}
