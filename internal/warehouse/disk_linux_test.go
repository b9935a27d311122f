package warehouse

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rs/zerolog"
)

// tinyDisk mounts a file system of its own, or skips.
func tinyDisk(t *testing.T, options string) string {
	t.Helper()
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, options); err != nil {
		t.Skipf("cannot mount a tmpfs (%v): a full disk is not tested", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return folder
}

// A full disk fails the write that finds it, with a remedy; what was committed stays, and writing goes on by itself
// once there is room.
func TestFullDisk(t *testing.T) {
	folder := tinyDisk(t, "size=24m")
	db := open(t, Config{Path: filepath.Join(folder, "analytics.duckdb"), MemoryLimit: "200MB"})
	run(t, db, `CREATE TABLE raw.t (i BIGINT, s VARCHAR)`, `INSERT INTO raw.t VALUES (0, '')`)
	ballast := filepath.Join(folder, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 16<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	fill := func(rows int) error {
		return db.Write(context.Background(), "fill", func(ctx context.Context, tx *Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO raw.t SELECT i, md5(i::VARCHAR) || md5((i+1)::VARCHAR) FROM range(?) r(i)`, rows)
			return err
		})
	}
	var err error
	written := 0
	for range 20 {
		if err = fill(15_000); err != nil {
			break
		}
		written++
	}
	var fault *Fault
	if !errors.Is(err, ErrDiskFull) || !errors.As(err, &fault) || fault.Remedy == "" {
		t.Fatalf("after %d writes: %v, want ErrDiskFull with a remedy", written, err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := fill(1000); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	rows := value(t, db, `SELECT count(*) FROM raw.t`)
	closeDB(t, db)
	db = open(t, Config{Path: filepath.Join(folder, "analytics.duckdb")})
	if again := value(t, db, `SELECT count(*) FROM raw.t`); again != rows {
		t.Errorf("%s rows, %s after opening again", rows, again)
	}
	if kept := value(t, db, `SELECT (count(*) - 1001) % 15000 = 0 AND (count(*) - 1001) // 15000 >= `+itoa(written)+` FROM raw.t`); kept != "true" {
		t.Errorf("%s rows, but %d writes of 15000 had succeeded", rows, written)
	}
}

func itoa(n int) string { return string(rune('0'+n/10)) + string(rune('0'+n%10)) }

func TestFullDiskAtOpen(t *testing.T) {
	folder := tinyDisk(t, "size=16k")
	db := New(Config{Path: filepath.Join(folder, "analytics.duckdb")}, zerolog.Nop())
	if err := db.Open(context.Background()); !errors.Is(err, ErrDiskFull) {
		t.Errorf("got %v, want ErrDiskFull", err)
	}
}

func TestReadOnlyFolder(t *testing.T) {
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", syscall.MS_RDONLY, "size=1m"); err == nil {
		defer func() { _ = syscall.Unmount(folder, syscall.MNT_DETACH) }()
	} else if err := os.Chmod(folder, 0o500); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(folder, "analytics.duckdb"), filepath.Join(folder, "below", "analytics.duckdb")} {
		db := New(Config{Path: path}, zerolog.Nop())
		var fault *Fault
		if err := db.Open(context.Background()); !errors.Is(err, ErrNotWritable) || !errors.As(err, &fault) || fault.Remedy == "" {
			t.Errorf("%s: got %v, want ErrNotWritable with a remedy", path, err)
		}
	}
}

// A file on a disk that is read-only can be asked.
func TestReadingOnAReadOnlyDisk(t *testing.T) {
	folder := tinyDisk(t, "size=24m")
	path := filepath.Join(folder, "analytics.duckdb")
	db := New(Config{Path: path}, zerolog.Nop())
	if err := db.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", folder, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("cannot make a tmpfs read-only: %v", err)
	}
	db = New(Config{Path: path, ReadOnly: true}, zerolog.Nop())
	if err := db.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Query(context.Background(), "SELECT 1", Limits{}); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
