package warehouse

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// What was deleted is in no byte of the file afterwards, and everything else is as it was.
func TestRewriteLeavesNothingOfWhatWasDeleted(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "analytics.duckdb")
	db := open(t, Config{Path: path, Threads: 2, Indexes: true})
	run(t, db,
		`CREATE SCHEMA marts`,
		`CREATE TABLE marts.words (id BIGINT NOT NULL, word VARCHAR USING COMPRESSION uncompressed, long VARCHAR USING COMPRESSION zstd, moment TIMESTAMPTZ, price DECIMAL(18,9))`,
		`INSERT INTO marts.words SELECT i, 'word' || i, repeat('long' || i || ' ', 30), TIMESTAMPTZ '2026-11-23 10:00:00+00', i / 7 FROM range(100000) t(i)`,
		`INSERT INTO marts.words VALUES (-1, 'heronplanted', 'heronplanted', now(), 1)`,
		`CREATE VIEW marts.vw_words AS SELECT count(*) AS n FROM marts.words`,
		`INSERT INTO meta.gaps BY NAME SELECT 'stream' AS kind, 'lost' AS reason, 1 AS _epoch, now() AS found_at`)
	if err := db.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	run(t, db, `DELETE FROM marts.words WHERE id = -1`)
	const sum = `SELECT count(*) || ' ' || bit_xor(hash(w)) FROM marts.words w`
	const catalog = `SELECT string_agg(concat_ws(' ', schema_name, table_name, column_name, data_type, is_nullable), ', ' ORDER BY schema_name, table_name, column_index) FROM duckdb_columns() WHERE database_name = 'analytics'`
	rows, columns := value(t, db, sum), value(t, db, catalog)
	if data, _ := os.ReadFile(path); !bytes.Contains(data, []byte("heronplanted")) {
		t.Fatal("the test shows nothing: what was deleted left no bytes")
	}
	done, err := db.Rewrite(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if done.Before == 0 || done.After == 0 {
		t.Errorf("sizes %+v", done)
	}
	for range 2 {
		if value(t, db, sum) != rows || value(t, db, catalog) != columns || value(t, db, `SELECT n FROM marts.vw_words`) != "100000" ||
			value(t, db, `SELECT count(*) FROM meta.gaps`) != "1" || value(t, db, `SELECT count(*) FROM duckdb_indexes()`) != "6" {
			t.Error("the copy is another")
		}
		compression := value(t, db, `SELECT string_agg(DISTINCT compression, ',') FROM pragma_storage_info('marts.words') WHERE column_name = 'long' AND segment_type = 'VARCHAR'`)
		if !strings.Contains(strings.ToLower(compression), "zstd") {
			t.Errorf("the payload is compressed by %s", compression)
		}
		if groups := value(t, db, `SELECT max(row_group_id) FROM pragma_storage_info('marts.words')`); groups != "6" {
			t.Errorf("row groups up to %s", groups)
		}
		closeDB(t, db)
		data, err := os.ReadFile(path)
		if err != nil || bytes.Contains(data, []byte("heronplanted")) {
			t.Errorf("what was deleted is still there, %v", err)
		}
		if err := db.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if left := names(t, folder); strings.Contains(left, "rewrite") {
		t.Errorf("left behind: %s", left)
	}
}

// Reads go on while the copy is made, and writes wait: none is lost.
func TestRewriteWhileInUse(t *testing.T) {
	db := open(t, Config{})
	run(t, db, `CREATE TABLE meta.counted (n BIGINT)`)
	stop := make(chan struct{})
	var busy sync.WaitGroup
	var written int
	busy.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			run(t, db, `INSERT INTO meta.counted VALUES (1)`)
			written++
		}
	})
	busy.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = value(t, db, `SELECT count(*) FROM meta.counted`)
			}
		}
	})
	for range 4 {
		if _, err := db.Rewrite(t.Context()); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	busy.Wait()
	if got := value(t, db, `SELECT count(*) FROM meta.counted`); got != value(t, db, "SELECT "+strconv.Itoa(written)) {
		t.Errorf("%s rows of %d", got, written)
	}
}

// A copy that is not finished changes nothing and leaves nothing.
func TestRewriteThatFails(t *testing.T) {
	folder := t.TempDir()
	db := open(t, Config{Path: filepath.Join(folder, "analytics.duckdb")})
	run(t, db, `CREATE TABLE meta.big AS SELECT i, md5(i::VARCHAR) AS m FROM range(400000) t(i)`)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := db.Rewrite(ctx); err == nil || ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("an interrupted copy: %v", err)
	}
	if left := names(t, folder); strings.Contains(left, "rewrite") {
		t.Errorf("left behind: %s", left)
	}
	if n := value(t, db, `SELECT count(*) FROM meta.big`); n != "400000" {
		t.Errorf("%s rows", n)
	}
	// One that was killed half way leaves its folder to the next start.
	closeDB(t, db)
	if err := os.MkdirAll(filepath.Join(folder, "analytics.duckdb.rewrite"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "analytics.duckdb.rewrite", "analytics.duckdb"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := db.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := names(t, folder); strings.Contains(left, "rewrite") {
		t.Errorf("left behind by a kill: %s", left)
	}
}
