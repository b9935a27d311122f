package models_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/rs/zerolog"

	"claude-analytics/internal/document"
	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler"
	"claude-analytics/proto"
)

// arrival is when the first document of a case was read; each further one came a second later.
var arrival = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// bronzeDocument is one document as the sink would store it.
type bronzeDocument struct {
	row    document.Row
	blocks []document.Block
}

// lane is the source that all documents of a case come through.
const lane = "test"

// transcript converts a file of a transcript folder, object by object, as if it were followed. path is below the folder and
// begins with the project's slug. Lines that begin with '#' say something about the case and are not of the file. A name that ends in "#2" is
// the same file read a second time: the same objects under other ids.
func transcript(path string, data []byte, seq uint64) ([]bronzeDocument, error) {
	file, again, _ := strings.Cut(path, "#")
	var out []bronzeDocument
	offset := 0
	for _, line := range objects(data) {
		seq++
		at := arrival.Add(time.Duration(seq) * time.Second)
		hash := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d", file, again, offset))
		project, _, _ := strings.Cut(file, "/")
		extra := document.Extra{ID: [12]byte(hash[:12]), ProjectID: project, SourceFile: "/home/dev/.claude/projects/" + file, IngestedAt: at}
		if project == file { // a document that says nothing of a file
			extra.ProjectID, extra.SourceFile = "", ""
		}
		raw, err := document.FromJSON(nil, bytes.TrimSpace(line), extra)
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %s", path, err, line)
		}
		row, blocks, err := document.Convert(&proto.Change{
			Version: proto.Version, Source: lane, Id: fmt.Sprintf("%x", extra.ID), Operation: proto.Operation_OPERATION_INSERT,
			Namespace: "projects", Document: raw, ExtractedAtMicros: at.UnixMicro(), SourceOffset: int64(offset),
		}, 1, seq)
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %s", path, err, line)
		}
		row.DocRaw = nil
		out = append(out, bronzeDocument{row, blocks})
		offset += len(line)
	}
	return out, nil
}

// objects are the JSON objects of a file, each with what follows it up to the next: a line may hold several.
func objects(data []byte) [][]byte {
	var out [][]byte
	for line := range bytes.Lines(data) {
		if bytes.HasPrefix(line, []byte("#")) {
			continue
		}
		for len(bytes.TrimSpace(line)) > 0 {
			var object json.RawMessage
			decoder := json.NewDecoder(bytes.NewReader(line))
			if err := decoder.Decode(&object); err != nil {
				out = append(out, line) // refused where it is converted
				break
			}
			end := int(decoder.InputOffset())
			if len(bytes.TrimSpace(line[end:])) == 0 {
				end = len(line)
			}
			out, line = append(out, line[:end]), line[end:]
		}
	}
	return out
}

// workshop is a warehouse with empty models, and its modeler. Cases take turns in one, since the modeler's first look at
// the models is dear.
type workshop struct {
	db      *warehouse.DB
	modeler *modeler.Modeler
	batch   int // the last that was applied
}

// empty is the file of a warehouse whose models are built and hold nothing: the workshops begin with copies of it.
var empty = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "models")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	ctx, path := context.Background(), filepath.Join(dir, "analytics.duckdb")
	db := warehouse.New(warehouse.Config{Path: path, Threads: 1}, zerolog.Nop())
	if err := db.Open(ctx); err != nil {
		return nil, err
	}
	_, err = modeler.New(modeler.Config{ProjectFS: os.DirFS("../models")}, db, zerolog.Nop(), nil).Refresh(ctx, modeler.Options{})
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func newWorkshop(t *testing.T) *workshop {
	t.Helper()
	return newWorkshopIn(t, "UTC")
}

// newWorkshopIn is one whose days are those of a zone.
func newWorkshopIn(t *testing.T, zone string) *workshop {
	t.Helper()
	file, err := empty()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "analytics.duckdb")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	// One thread each: threads that wait for a share of so little work cost more than they do.
	db := warehouse.New(warehouse.Config{Path: path, Threads: 1}, zerolog.Nop())
	if err := db.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &workshop{db: db, modeler: modeler.New(modeler.Config{ProjectFS: os.DirFS("../models"), ReportTZ: zone}, db, zerolog.Nop(), nil)}
}

// clear empties bronze; the marts are to be computed whole, then.
func (w *workshop) clear(t *testing.T) {
	t.Helper()
	w.exec(t, "DELETE FROM raw.conversations", "DELETE FROM raw.content_blocks", "DELETE FROM raw.secret_findings", "DELETE FROM raw.link_keys",
		"DELETE FROM meta.changed_keys", "DELETE FROM meta.session_links", "DELETE FROM meta.session_dates")
}

// apply stores documents as the next batch.
func (w *workshop) apply(t *testing.T, documents []bronzeDocument) {
	t.Helper()
	w.batch++
	if err := insert(t.Context(), w.db, w.batch, documents); err != nil {
		t.Fatal(err)
	}
}

// compute computes all models whole; views hold no rows.
func (w *workshop) compute(t *testing.T) {
	t.Helper()
	w.refresh(t, modeler.Options{Full: true, Exclude: []string{"config.materialized:view"}})
}

// refresh does not read the project's files again, since no one changes them.
func (w *workshop) refresh(t *testing.T, opts modeler.Options) {
	t.Helper()
	opts.Reason = modeler.ReasonChange
	if _, err := w.modeler.Refresh(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
}

// insert stores documents as one applied batch: rows, blocks, link keys, changed keys.
func insert(ctx context.Context, db *warehouse.DB, batch int, documents []bronzeDocument) error {
	return db.Write(ctx, "bronze", func(ctx context.Context, tx *warehouse.Tx) error {
		var rows, blocks, links, changed inserts
		rows.table, blocks.table, links.table, changed.table = "raw.conversations", "raw.content_blocks", "raw.link_keys", "meta.changed_keys"
		for i := range documents {
			d := &documents[i]
			key := xxhash.Sum64String(d.row.Source + "\x00" + d.row.ID)
			rows.add(append(fields(d.row), column{"_key", key})...)
			for _, b := range d.blocks {
				blocks.add(append(fields(b), column{"_key", key})...)
			}
			for _, link := range document.LinkKeys(&d.row, d.blocks) {
				links.add(column{"batch", batch}, column{"key", link}, column{"session_id", d.row.SessionID.V})
			}
			changed.add(column{"batch", batch}, column{"session_id", d.row.SessionID.V}, column{"date", d.row.Date.String()})
		}
		return errors.Join(rows.run(ctx, tx), blocks.run(ctx, tx), links.run(ctx, tx), changed.run(ctx, tx))
	})
}

type column struct {
	name  string
	value any
}

// fields lists a row's columns by its tags, in their order.
func fields(row any) []column {
	v := reflect.ValueOf(row)
	var out []column
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("col"); name != "" && name != "-" {
			out = append(out, column{name, plain(v.Field(i))})
		}
	}
	return out
}

// plain is a column's value as the driver takes it.
func plain(v reflect.Value) any {
	if valid := v.Kind() == reflect.Struct && v.NumField() == 2 && v.Type().Field(1).Name == "Valid"; valid {
		if !v.Field(1).Bool() {
			return nil
		}
		v = v.Field(0)
	}
	switch x := v.Interface().(type) {
	case document.Timestamp:
		return x.Time()
	case document.Date:
		return x.String()
	case document.Decimal:
		return fmt.Sprintf("%.9f", float64(x)/1e9)
	case []byte:
		if x == nil {
			return nil
		}
		return x
	default:
		return x
	}
}

// inserts collects rows of one table and writes many with a statement.
type inserts struct {
	table   string
	columns []string
	values  []any
}

// add takes a row; a number too large for the driver goes as text.
func (s *inserts) add(columns ...column) {
	if s.columns == nil {
		for _, c := range columns {
			s.columns = append(s.columns, c.name)
		}
	}
	for _, c := range columns {
		if n, ok := c.value.(uint64); ok {
			c.value = strconv.FormatUint(n, 10)
		}
		s.values = append(s.values, c.value)
	}
}

func (s *inserts) run(ctx context.Context, tx *warehouse.Tx) error {
	n := len(s.columns)
	for len(s.values) > 0 {
		rows := min(len(s.values)/n, 100)
		one := "(" + strings.TrimSuffix(strings.Repeat("?, ", n), ", ") + ")"
		all := strings.TrimSuffix(strings.Repeat(one+", ", rows), ", ")
		statement := fmt.Sprintf(`INSERT INTO %s ("%s") VALUES %s`, s.table, strings.Join(s.columns, `", "`), all)
		if _, err := tx.Exec(ctx, statement, s.values[:rows*n]...); err != nil {
			return fmt.Errorf("insert into %s: %w", s.table, err)
		}
		s.values = s.values[rows*n:]
	}
	return nil
}
