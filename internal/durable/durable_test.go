package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	holds := func(want string) {
		t.Helper()
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	if err := WriteFile(path, []byte("one"), 0o600, nil); err != nil {
		t.Fatal(err)
	}
	holds("one")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	stopped := errors.New("stopped")
	err := WriteFile(path, []byte("two"), 0o600, func() error {
		holds("one")
		if got, err := os.ReadFile(path + temporary); err != nil || string(got) != "two" {
			t.Errorf("aside: %q, %v", got, err)
		}
		return stopped
	})
	if !errors.Is(err, stopped) {
		t.Error(err)
	}
	holds("one")
	if err := WriteFile(path, []byte("three"), 0o600, nil); err != nil {
		t.Fatal(err)
	}
	holds("three")
	if _, err := os.Stat(path + temporary); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := WriteFile(filepath.Join(path, "below"), nil, 0o600, nil); err == nil {
		t.Error("a file below a file")
	}
	if err := Sync(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
