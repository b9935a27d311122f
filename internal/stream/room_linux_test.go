package stream

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFullDisk: a disk that is nearly full when the server starts, full then, and has room later: what was to be published is told
// to wait meanwhile, and goes on by itself.
func TestFullDisk(t *testing.T) {
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("cannot mount a tmpfs (%v): a full disk is not tested", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(folder, syscall.MNT_DETACH) })
	ballast := filepath.Join(folder, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 57<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	c := New(Config{Dir: filepath.Join(folder, "jetstream"), Port: -1}, logs(t))
	if err := c.Open(testContext(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeConn(t, c) })
	if err := os.Truncate(ballast, 40<<20); err != nil {
		t.Fatal(err)
	}
	troubles := make(chan error, 100)
	lane, err := c.OpenLane(testContext(t), LaneConfig{Lane: "a", Writer: "w", OnTrouble: func(_ int, err error) {
		select {
		case troubles <- err:
		default:
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	// What it could take a part of at its start is no limit later.
	for n := range 3 {
		big := changes("a", n, 1)
		big[0].Data = make([]byte, 3<<20)
		if _, err := lane.Publish(testContext(t), big); err != nil {
			t.Fatal(err)
		}
	}
	for len(troubles) > 0 {
		if err := <-troubles; err != nil {
			t.Errorf("trouble while there was room: %v", err)
		}
	}
	fillDisk(t, folder, filepath.Join(folder, "more"))
	done := make(chan error, 1)
	go func() {
		_, err := lane.Publish(testContext(t), changes("a", 100, 200))
		done <- err
	}()
	var told error
	for late := time.After(10 * time.Second); told == nil; {
		select {
		case told = <-troubles: // without an error: something was published before
		case err := <-done:
			t.Fatalf("published on a full disk: %v", err)
		case <-late:
			t.Fatal("a full disk is not told")
		}
	}
	if !errors.Is(told, ErrNoRoom) || !strings.Contains(told.Error(), folder) {
		t.Errorf("trouble: %v", told)
	}
	if err := os.Remove(filepath.Join(folder, "more")); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// fillDisk leaves half of what a stream needs, also once the server has removed what it had staged.
func fillDisk(t *testing.T, folder, path string) {
	t.Helper()
	more, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer more.Close() //nolint:errcheck // what was not written shows
	for range 20 {
		var disk syscall.Statfs_t
		if err := syscall.Statfs(folder, &disk); err != nil {
			t.Fatal(err)
		}
		if extra := int64(disk.Bavail)*disk.Bsize - leastRoom/2; extra > 0 {
			if _, err := more.Write(make([]byte, extra)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}
