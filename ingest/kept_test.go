package ingest

import (
	"os"
	"path/filepath"
	"testing"
)

// From one run to the next a lane goes on where it had come, with its positions kept in a folder, with a damaged file of them, and
// with none.
func TestGoesOnFromKeptPositions(t *testing.T) {
	t.Parallel()
	d, conn, folder := newTree(t), openStream(t), filepath.Join(t.TempDir(), "positions")
	cfg := Config{Folders: d.folders(), Identity: NewIdentity(filepath.Join(t.TempDir(), "source.json")), Positions: folder}
	kept := func() []string {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(folder, "*"))
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	in := watchStream(t, conn)
	n := 0
	run := func() {
		t.Helper()
		n++
		d.append("-p/a.jsonl", line(n))
		if s := once(t, conn, cfg); s.Documents != 1 {
			t.Errorf("run %d published %d documents, want 1", n, s.Documents)
		}
		in.expect(numbers(1, n)...)
		in.unique()
		if files := kept(); len(files) != 1 {
			t.Errorf("run %d left %q", n, files)
		}
	}
	run()
	run()
	if err := os.WriteFile(kept()[0], []byte(`{"last_seq":`), 0o600); err != nil {
		t.Fatal(err)
	}
	run()
	if err := os.Remove(kept()[0]); err != nil {
		t.Fatal(err)
	}
	run()

	cfg.Once = false
	running := start(t, conn, cfg)
	defer running.stop()
	d.append("-p/a.jsonl", line(n+1))
	in.expect(numbers(1, n+1)...)
	if files := kept(); len(files) != 0 {
		t.Errorf("kept while it runs: %q", files)
	}
}
