package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/klauspost/compress/s2"
	"github.com/rs/zerolog"

	"claude-analytics/sink/lake"
)

// word is in no document but those that are planted.
const word = "quokkaplanted7351"

// planted is a corpus with one session that is to be erased: the word is in its prompts, in a tool's input and output, in
// a line that is no JSON, and in a document of its own project.
type planted struct {
	dir, session, project string
	files                 []string
}

func plant(t testing.TB, seed, sessions string) planted {
	t.Helper()
	dir, _ := generate(t, "--sessions", sessions, "--seed", seed)
	p := planted{dir: dir, session: "5e551077-aaaa-4bbb-8ccc-0123456789ab"}
	projects, err := filepath.Glob(filepath.Join(dir, "*", "*.jsonl"))
	if err != nil || len(projects) == 0 {
		t.Fatal(projects, err)
	}
	p.project = filepath.Base(filepath.Dir(projects[0]))
	line := func(n int, role, content string) string {
		return fmt.Sprintf(`{"type":%q,"uuid":"5e55-%d","sessionId":%q,"cwd":"/home/x","timestamp":"2026-03-0%dT10:00:%02dZ","message":{"id":"msg5e55%d","role":%q,"model":"claude-opus-4-1","usage":{"input_tokens":5,"output_tokens":7},"content":%s}}`,
			role, n, p.session, 1+n%3, n, n, role, content)
	}
	var main, agent []string
	for n := range 24 {
		switch n % 4 {
		case 0:
			main = append(main, line(n, "user", fmt.Sprintf(`"please look at %s number %d"`, word, n)))
		case 1:
			main = append(main, line(n, "assistant", fmt.Sprintf(`[{"type":"tool_use","id":"toolu5e55%d","name":"Read","input":{"file_path":"/home/x/%s.go"}}]`, n, word)))
		case 2:
			main = append(main, line(n, "user", fmt.Sprintf(`[{"type":"tool_result","tool_use_id":"toolu5e55%d","content":"found %s"}]`, n-1, word)))
		default:
			agent = append(agent, line(n, "assistant", fmt.Sprintf(`[{"type":"text","text":"thinking of %s"}]`, word)))
		}
	}
	main = append(main, `{"type":"user","broken `+word)
	p.write(t, filepath.Join(p.project, p.session+".jsonl"), main)
	p.write(t, filepath.Join(p.project, p.session, "subagents", "agent-a1.jsonl"), agent)
	return p
}

func (p *planted) write(t testing.TB, name string, lines []string) {
	t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.files = append(p.files, path)
}

// leave deletes the session at its source.
func (p *planted) leave(t testing.TB) {
	t.Helper()
	for _, path := range p.files {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// traces finds where the words still are, in every form that anything under DATA_DIR has.
func traces(t testing.TB, data string, words ...string) (found []string) {
	t.Helper()
	in := func(where string, content []byte) {
		for _, w := range words {
			if bytes.Contains(content, []byte(w)) {
				found = append(found, where+": "+w)
			}
		}
	}
	err := filepath.WalkDir(data, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(data, path)
		in(name, []byte(name))
		if filepath.Ext(name) == ".blk" {
			in(name+" (decoded)", decodeBlock(t, content))
		}
		in(name, content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	parquetTraces(t, data, in)
	if published := filepath.Join(data, "marts.duckdb"); exists(published) {
		eachRowOf(t, published, func(table, row string) { in("marts.duckdb "+table, []byte(row)) })
	}
	return append(found, tableTraces(t, data, words)...)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// tableTraces looks through every column of every table: a row as text has them all.
func tableTraces(t testing.TB, data string, words []string) (found []string) {
	t.Helper()
	var parts []string
	for _, table := range rows(t, data, `SELECT table_schema AS s, table_name AS n FROM information_schema.tables WHERE table_catalog = 'analytics' AND table_type = 'BASE TABLE'`) {
		conditions := make([]string, len(words))
		for i, w := range words {
			conditions[i] = fmt.Sprintf("contains(x::VARCHAR, '%s')", w)
		}
		parts = append(parts, fmt.Sprintf(`SELECT '%[1]s.%[2]s' AS t, count(*) AS n FROM %[1]s.%[2]s x WHERE %[3]s`, table["s"], table["n"], strings.Join(conditions, " OR ")))
	}
	for some := range slices.Chunk(parts, 25) {
		for _, row := range rows(t, data, "SELECT t FROM ("+strings.Join(some, " UNION ALL ")+") WHERE n > 0") {
			found = append(found, fmt.Sprint(row["t"]))
		}
	}
	return found
}

// decodeBlock is a block of the stream's store as it was before compression.
func decodeBlock(t testing.TB, content []byte) []byte {
	t.Helper()
	if !bytes.HasPrefix(content, []byte("cmp")) {
		return content
	}
	n := 1
	for content[3+n] >= 0x80 { // the size, in seven bits a byte
		n++
	}
	decoded, err := io.ReadAll(s2.NewReader(bytes.NewReader(content[4+n : len(content)-8])))
	if err != nil {
		t.Fatalf("decode a block: %v", err)
	}
	return decoded
}

func parquetTraces(t testing.TB, data string, in func(string, []byte)) {
	t.Helper()
	l := lake.New(lake.Config{Dir: filepath.Join(data, "raw")}, zerolog.Nop())
	if err := l.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if faults := l.Faults(); len(faults) > 0 {
		t.Errorf("the lake: %v", faults)
	}
	_, err := l.Scan(t.Context(), lake.ScanOptions{}, func(c lake.Chunk) error {
		for i, column := range c.Rows.Columns() {
			where := c.Path + " " + c.Rows.ColumnName(i)
			for k := range column.Len() {
				switch values := column.(type) {
				case *array.Binary:
					in(where, values.Value(k))
				default:
					in(where, []byte(column.ValueStr(k)))
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// gcUntilKilled starts an erasure and kills it after a while; it reports whether it had ended by itself.
func gcUntilKilled(t testing.TB, data, session string, after time.Duration) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "gc", "--erase", "--session", session, "--yes", "--data-dir", data)
	cmd.Dir, cmd.Env = t.TempDir(), environment(t)
	return cmd.Run() == nil
}

func TestEraseSession(t *testing.T) {
	t.Parallel()
	long(t)
	random := seeded(t)
	p := plant(t, "21", "6")
	data := t.TempDir()
	untilIdle(t, data, p.dir)
	if found := traces(t, data, word); len(found) < 8 {
		t.Fatalf("the search finds too little to be trusted: %v", found)
	}
	p.leave(t)
	stops := 4
	if os.Getenv("LONG") != "" {
		stops = kills()
	}
	for range stops {
		if gcUntilKilled(t, data, p.session, time.Duration(100+random.IntN(2500))*time.Millisecond) {
			break
		}
	}
	t.Log(mustRun(t, "gc", "--erase", "--session", p.session, "--yes", "--data-dir", data))
	if found := traces(t, data, word, p.session, "toolu5e55", "msg5e55"); len(found) > 0 {
		t.Errorf("it is still there: %v", found)
	}
	if n := number(t, data, "SELECT count(*) FROM meta.erasures"); n < 1 {
		t.Errorf("%d erasures on record", n)
	}
	if n := number(t, data, "SELECT count(*) FROM meta.erased_keys"); n != 24 {
		t.Errorf("%d erased documents on record", n)
	}

	other := t.TempDir()
	untilIdle(t, other, p.dir)
	want, documents := martSums(t, other), content(t, other)
	sameMarts(t, martSums(t, data), want, "erased")
	sameContent(t, content(t, data), documents)
	// A rebuild brings nothing back, nor does the source, which has nothing of it; the stream goes on in its epoch.
	untilIdle(t, data, p.dir)
	mustRun(t, "load", "--full-refresh", "--data-dir", data)
	mustRun(t, "transform", "--full-refresh", "--data-dir", data)
	sameMarts(t, martSums(t, data), want, "rebuilt after the erasure")
	if n := number(t, data, "SELECT max(_epoch) FROM raw.conversations"); n != 1 {
		t.Errorf("epoch %d", n)
	}
	if n := number(t, data, "SELECT count(*) FROM meta.erased_keys"); n != 24 {
		t.Errorf("%d erased documents on record after the rebuild", n)
	}
}

// Erasing goes beside inserts, and takes nothing of them.
func TestEraseWhileLive(t *testing.T) {
	t.Parallel()
	if os.Getenv("LONG") == "" {
		t.Skip("with LONG=1")
	}
	random := seeded(t)
	p := plant(t, "22", "30")
	followed := filepath.Join(t.TempDir(), "projects")
	for _, path := range p.files {
		relative, err := filepath.Rel(p.dir, path)
		if err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(followed, relative)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path, target); err != nil {
			t.Fatal(err)
		}
	}
	data := t.TempDir()
	service := startService(t, data, nil, "up", "--transcripts", followed, "--source", "test")
	service.info()
	eventually(t, "the session has arrived", func() bool {
		return soon(t, data, "SELECT count(*) FROM raw.conversations") == 24
	})
	feeding := feed(t, p.dir, followed, 2*time.Millisecond, random.Uint64())
	for _, path := range p.files {
		relative, _ := filepath.Rel(p.dir, path)
		if err := os.Remove(filepath.Join(followed, relative)); err != nil {
			t.Fatal(err)
		}
	}
	t.Log(mustRun(t, "gc", "--erase", "--session", p.session, "--yes", "--data-dir", data))
	feeding.finish(t)
	total := 0
	want := reference(t, followed)
	for _, n := range want {
		total += n
	}
	eventually(t, "everything has arrived", func() bool {
		return soon(t, data, "SELECT count(*) FROM raw.conversations") >= int64(total)
	})
	if code := service.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	untilIdle(t, data, followed)
	if found := traces(t, data, word, p.session); len(found) > 0 {
		t.Errorf("it is still there: %v", found)
	}
	afterCrash(t, data, want)
}
