package e2e_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	varint "encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"claude-analytics/internal/generator"
	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

// haystack looks for what must not be there.
type haystack struct {
	t       *testing.T
	needles map[string]string // what it is, by text
}

func newHaystack(t *testing.T, truth *generator.Truth) *haystack {
	h := &haystack{t: t, needles: map[string]string{}}
	for _, s := range truth.Secrets {
		for _, text := range s.Texts {
			for _, line := range strings.Split(text, "\n") {
				if len(line) >= 8 && !strings.Contains(line, "-----") {
					h.needles[line] = s.Kind + " in " + s.Place
				}
			}
		}
	}
	return h
}

func (h *haystack) search(where string, data []byte) {
	for needle, what := range h.needles {
		if i := bytes.Index(data, []byte(needle)); i >= 0 {
			h.t.Errorf("%s holds the %s: %q", where, what, data[max(0, i-60):min(len(data), i+len(needle)+20)])
		}
	}
}

// files searches every file below a folder as it is, and a stream's blocks as they are once decompressed.
func (h *haystack) files(dir string) (blocks int) {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		h.search(path, data)
		if strings.HasSuffix(path, ".blk") && bytes.HasPrefix(data, []byte("cmp")) {
			_, n := varint.Uvarint(data[4:])
			plain, err := io.ReadAll(s2.NewReader(bytes.NewReader(data[4+n : len(data)-8])))
			if err != nil {
				return fmt.Errorf("decompress %s: %w", path, err)
			}
			h.search(path+", decompressed", plain)
			blocks++
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return blocks
}

// table searches every row of a relation, all columns as text.
func (h *haystack) table(db *sql.DB, relation string) (n int) {
	rows, err := db.Query("SELECT x::VARCHAR FROM " + relation + " x")
	if err != nil {
		h.t.Fatalf("read %s: %v", relation, err)
	}
	defer rows.Close()
	var all bytes.Buffer
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			h.t.Fatal(err)
		}
		all.WriteString(text)
		all.WriteByte('\n')
		n++
	}
	if err := rows.Err(); err != nil {
		h.t.Fatal(err)
	}
	h.search(relation, all.Bytes())
	return n
}

// stream searches every message of a store, changes and letters as they are once decoded.
func (h *haystack) stream(dir string) (changes, letters int) {
	ns, err := server.NewServer(&server.Options{JetStream: true, StoreDir: dir, Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true, JetStreamMaxStore: 1 << 34, MaxPayload: 32 << 20})
	if err != nil {
		h.t.Fatal(err)
	}
	go ns.Start()
	defer ns.WaitForShutdown()
	defer ns.Shutdown()
	if !ns.ReadyForConnections(patience) {
		h.t.Fatal("the server does not come up")
	}
	nc, err := nats.Connect(ns.ClientURL())
	if err != nil {
		h.t.Fatal(err)
	}
	defer nc.Close()
	js, err := nc.JetStream()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, name := range []string{proto.StreamName, proto.DeadLetterName} {
		info, err := js.StreamInfo(name)
		if err != nil {
			h.t.Fatalf("stream %s: %v", name, err)
		}
		sub, err := js.SubscribeSync(info.Config.Subjects[0], nats.BindStream(name), nats.OrderedConsumer())
		if err != nil {
			h.t.Fatal(err)
		}
		for range info.State.Msgs {
			m, err := sub.NextMsg(patience)
			if err != nil {
				h.t.Fatal(err)
			}
			h.search("a message on "+m.Subject, append([]byte(fmt.Sprint(m.Header, m.Subject)), m.Data...))
			if name == proto.DeadLetterName {
				var letter proto.DeadLetter
				if err := json.Unmarshal(m.Data, &letter); err != nil {
					h.t.Fatal(err)
				}
				h.search("the dead letter "+letter.Place(), append([]byte(letter.Detail+"\n"), letter.Payload...))
				letters++
			} else {
				changes++
			}
		}
	}
	return changes, letters
}

// Secrets of many kinds, in every place in which a conversation can hold one: none of them gets anywhere.
func TestNoSecretIsPublished(t *testing.T) {
	t.Parallel()
	sessions, long := "2", os.Getenv("LONG") != ""
	if long {
		sessions = "150"
	}
	dir, truth := generate(t, "--secrets", "--hard", "--sessions", sessions, "--seed", "7")
	kinds := map[string]bool{}
	for _, s := range truth.Secrets {
		kinds[s.Kind] = true
	}
	if len(kinds) < 40 {
		t.Fatalf("only %d kinds are planted", len(kinds))
	}
	data := t.TempDir()
	r := runProgram(t, []string{"STORE_RAW=on", "LOG_LEVEL=trace"}, "up", "--data-dir", data, "--transcripts", dir, "--until-idle")
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	h := newHaystack(t, truth)
	h.search("the log", []byte(r.stdout+r.stderr))
	h.files(data)
	if published := eachRowOf(t, filepath.Join(data, "marts.duckdb"), func(table, row string) { h.search("the published copy, "+table, []byte(row)) }); published < 15 {
		t.Errorf("only %d tables are published", published)
	}
	changes, letters := h.stream(data)
	if changes < int(truth.Objects) || letters != len(truth.Broken) {
		t.Errorf("%d messages and %d letters, the truth is %d and %d", changes, letters, truth.Objects, len(truth.Broken))
	}
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if n := h.table(db, "read_parquet('"+data+"/raw/*/*.parquet')"); n < int(truth.Objects) {
		t.Errorf("the lake has %d rows, the truth is %d", n, truth.Objects)
	}
	if _, err := db.Exec("ATTACH '" + filepath.Join(data, "analytics.duckdb") + "' AS w (READ_ONLY)"); err != nil {
		t.Fatal(err)
	}
	var tables []string
	rows, err := db.Query("SELECT format('w.{}.{}', schema_name, table_name) FROM duckdb_tables() WHERE database_name = 'w'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		h.table(db, table)
	}
	if len(tables) < 20 {
		t.Errorf("only %d tables: %v", len(tables), tables)
	}
	found := hashes(t, db)
	missing := 0
	for _, s := range truth.Secrets {
		sum := sha256.Sum256([]byte(s.Texts[0]))
		if s.Place != "broken line" && !found[hex.EncodeToString(sum[:])] {
			missing++
			t.Logf("the %s in %s is found as something else", s.Kind, s.Place)
		}
	}
	if missing > len(truth.Secrets)/4 {
		t.Errorf("%d of %d secrets are not found as what they are", missing, len(truth.Secrets))
	}
	sums := findings(t, db)
	if _, err := db.Exec("DETACH w"); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "load", "--full-refresh", "--data-dir", data)
	mustRun(t, "transform", "--data-dir", data)
	if _, err := db.Exec("ATTACH '" + filepath.Join(data, "analytics.duckdb") + "' AS w (READ_ONLY)"); err != nil {
		t.Fatal(err)
	}
	if rebuilt := findings(t, db); rebuilt != sums {
		t.Errorf("after a rebuild from the lake the findings are %s, before they were %s", rebuilt, sums)
	}
	// The newest block of a stream is not compressed: another is begun, so that the one with the secrets' places is.
	fillBlock(t, data)
	if blocks := h.files(data); blocks == 0 {
		t.Error("no block of the stream was decompressed")
	}
}

// fillBlock publishes as much as makes the server begin another block.
func fillBlock(t *testing.T, data string) {
	t.Helper()
	c := stream.New(stream.Config{Dir: filepath.Join(data, "jetstream"), Port: -1}, zerolog.Nop())
	defer c.Close(context.Background()) //nolint:errcheck // what was published is synced
	if err := c.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	lane, err := c.OpenLane(t.Context(), stream.LaneConfig{Lane: "filler", Writer: "test"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		message := stream.Outgoing{Subject: proto.DataSubject("filler", fmt.Sprint(i), "p"), Data: bytes.Repeat([]byte{byte(i)}, 1<<20)}
		if _, err := lane.Publish(t.Context(), []stream.Outgoing{message}); err != nil {
			t.Fatal(err)
		}
	}
}

func hashes(t *testing.T, db *sql.DB) map[string]bool {
	t.Helper()
	rows, err := db.Query("SELECT hash FROM w.marts.fct_secret_findings")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]bool{}
	for rows.Next() {
		var hash string
		if err := rows.Scan(&hash); err != nil {
			t.Fatal(err)
		}
		out[hash] = true
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// findings is what bronze and mart hold of findings, as one text.
func findings(t *testing.T, db *sql.DB) (sums string) {
	t.Helper()
	err := db.QueryRow(`SELECT concat_ws(' ', (SELECT count(*) FROM w.marts.fct_secret_findings), (SELECT sum(hash(x)::HUGEINT) FROM w.marts.fct_secret_findings x),
		(SELECT count(*) FROM w.raw.secret_findings), (SELECT sum(hash((source, _id, finding_index, rule, path, x.hash, redaction_version))::HUGEINT) FROM w.raw.secret_findings x))`).Scan(&sums)
	if err != nil {
		t.Fatal(err)
	}
	return sums
}
