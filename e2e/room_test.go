package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDiskFillsUp: a disk that gets full while the service runs is told where people look, and once there is room it goes on by
// itself. Stopping does not wait for room.
func TestDiskFillsUp(t *testing.T) {
	t.Parallel()
	long(t)
	small := t.TempDir()
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=256m"); err != nil {
		t.Skipf("no small file system can be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(small, syscall.MNT_DETACH) })
	from, _ := generate(t, "--sessions", "6", "--seed", "47")
	dir, data, ballast := t.TempDir(), filepath.Join(small, "data"), filepath.Join(small, "ballast")
	files, err := filepath.Glob(filepath.Join(from, "*", "*.jsonl"))
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	add := func(file string) {
		below, _ := filepath.Rel(from, file)
		copyFile(t, file, filepath.Join(dir, below))
	}
	// fill leaves less than the stream wants, whatever the service writes meanwhile.
	fill := func() {
		file, err := os.Create(ballast)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for range 1000 {
			var disk syscall.Statfs_t
			if err := syscall.Statfs(small, &disk); err != nil {
				t.Fatal(err)
			}
			left := int64(disk.Bavail)*disk.Bsize - (5 << 20)
			if left <= 0 {
				return
			}
			_, _ = file.Write(make([]byte, min(left, 4<<20))) // another may have been faster
		}
	}
	rows := func() int64 { return soon(t, data, "SELECT count(*) FROM raw.conversations") }
	add(files[0])
	p := startService(t, data, nil, "up", "--transcripts", dir, "--source", "test")
	p.info()
	eventually(t, "the first transcript arrives", func() bool { return rows() > 0 })
	eventually(t, "the marts are published", func() bool { return runProgram(t, nil, "query", "--data-dir", data, "SELECT 1").code == 0 })
	before := rows()

	fill()
	add(files[1])
	eventually(t, "the status says that the disk is full", func() bool {
		out := runProgram(t, nil, "status", "--data-dir", data).stdout
		return strings.Contains(out, "lane test: retrying") && strings.Contains(out, "no space left for the stream: the disk of "+data)
	})
	if code, body := p.get("/api/health"); code != 503 || !strings.Contains(body, "no space left") {
		t.Errorf("health: %d %s", code, body)
	}
	if _, body := p.get("/metrics"); strings.Contains(body, "analytics_ingest_publish_retries_total{lane=\"test\"} 0") || !strings.Contains(body, "analytics_ingest_publish_retries_total{") {
		t.Errorf("no retry is counted")
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it goes on", func() bool { return rows() > before })
	eventually(t, "all is well", func() bool { code, _ := p.get("/api/health"); return code == 200 })

	fill()
	add(files[2])
	eventually(t, "the disk is full again", func() bool { code, _ := p.get("/api/health"); return code == 503 })
	began := time.Now()
	if code := p.stop(); code != 0 && code != 1 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("stopping took %s", took)
	}
}
