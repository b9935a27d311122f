package lockfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"claude-analytics/internal/lockfile"
)

func TestOneHolderAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "LOCK")
	info := lockfile.Info{PID: 42, Command: "up", HTTPAddr: "127.0.0.1:8080", Started: time.Unix(1, 0).UTC()}

	lock, err := lockfile.Acquire(path, info)
	if err != nil {
		t.Fatal(err)
	}
	var held *lockfile.HeldError
	if _, err := lockfile.Acquire(path, lockfile.Info{PID: 43}); !errors.As(err, &held) || held.Info != info {
		t.Fatalf("second Acquire: %v, want HeldError with %+v", err, info)
	}
	info.NATSURL = "nats://127.0.0.1:1"
	if err := lock.Update(info); err != nil {
		t.Fatal(err)
	}
	if got, live, err := lockfile.Read(path); err != nil || !live || got != info {
		t.Fatalf("Read while held: %+v, %v, %v", got, live, err)
	}
	lock.Release()
	if _, live, err := lockfile.Read(path); err != nil || live {
		t.Fatalf("Read after release: live %v, %v", live, err)
	}
	lock, err = lockfile.Acquire(path, info)
	if err != nil {
		t.Fatalf("Acquire after release: %v", err)
	}
	lock.Release()
}

func TestFileLeftBehindIsStale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "LOCK")
	if err := os.WriteFile(path, []byte(`{"pid": 1, "command": "up"`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, live, err := lockfile.Read(path); err != nil || live {
		t.Fatalf("stale file: live %v, %v", live, err)
	}
	lock, err := lockfile.Acquire(path, lockfile.Info{PID: 2})
	if err != nil {
		t.Fatal(err)
	}
	lock.Release()
}

func TestNoFileMeansNoService(t *testing.T) {
	if _, live, err := lockfile.Read(filepath.Join(t.TempDir(), "none", "LOCK")); err != nil || live {
		t.Fatalf("live %v, %v", live, err)
	}
}
