package generator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// folder is a destination of live sessions: a folder of transcripts.
type folder struct {
	dir     string
	observe func(Appended)
	files   map[string]*os.File
}

func (d *folder) full(path string) string { return filepath.Join(d.dir, filepath.FromSlash(path)) }

// sessions lists the sessions' own files in a stable order.
func (d *folder) sessions(context.Context) (paths []string, err error) {
	found, err := filepath.Glob(filepath.Join(d.dir, "*", "*.jsonl"))
	if err != nil {
		return nil, nil // a name that is no pattern holds no sessions to go on with
	}
	for _, path := range found {
		rel, err := filepath.Rel(d.dir, path)
		if err == nil && isSessionFile(filepath.ToSlash(rel)) {
			paths = append(paths, filepath.ToSlash(rel))
		}
	}
	slices.Sort(paths)
	return paths, nil
}

// isSessionFile tells <slug>/<uuid>.jsonl from sub-agents' and other files.
func isSessionFile(path string) bool {
	_, name, _ := strings.Cut(path, "/")
	return len(name) == 36+len(".jsonl") && strings.Count(name, "-") == 4 && strings.HasSuffix(name, ".jsonl")
}

// last reads the last record of a conversation near its file's end.
func (d *folder) last(path string) (last lastFields) {
	f, err := os.Open(d.full(path))
	if err != nil {
		return last
	}
	defer f.Close() // read only
	const window = 256 << 10
	if size, err := f.Seek(0, io.SeekEnd); err != nil || size == 0 {
		return last
	} else if _, err := f.Seek(max(0, size-window), io.SeekStart); err != nil {
		return last
	}
	text, err := io.ReadAll(f)
	if err != nil || !bytes.HasSuffix(text, []byte("\n")) {
		return last
	}
	lines := bytes.Split(text, []byte("\n"))
	for i := len(lines) - 1; i >= 0; i-- {
		var fields lastFields
		if json.Unmarshal(lines[i], &fields) == nil && fields.UUID != "" {
			return fields
		}
	}
	return last
}

func (d *folder) beside(s sidecar) error {
	path := d.full(s.path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make folder beside transcript: %w", err)
	}
	if err := os.WriteFile(path, s.data, 0o644); err != nil {
		return fmt.Errorf("write file beside transcript: %w", err)
	}
	return nil
}

func (d *folder) append(_ context.Context, line Appended) error {
	f, err := d.file(line.Path)
	if err != nil {
		return err
	}
	if _, err := f.Write(line.Line); err != nil {
		return fmt.Errorf("append to transcript: %w", err)
	}
	if d.observe != nil {
		line.Line = line.Line[:len(line.Line)-1]
		d.observe(line)
	}
	return nil
}

func (d *folder) file(path string) (*os.File, error) {
	if f := d.files[path]; f != nil {
		return f, nil
	}
	full := d.full(path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		return nil, fmt.Errorf("make folder for transcript: %w", err)
	}
	f, err := os.OpenFile(full, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open transcript: %w", err)
	}
	if d.files == nil {
		d.files = map[string]*os.File{}
	}
	d.files[path] = f
	return f, nil
}

// ended closes the files; a conversation that shares one of them opens it again.
func (d *folder) ended(paths []string) error {
	var faults []error
	for _, path := range paths {
		f := d.files[path]
		if f == nil {
			continue
		}
		delete(d.files, path)
		if err := f.Close(); err != nil {
			faults = append(faults, fmt.Errorf("close transcript: %w", err))
		}
	}
	return errors.Join(faults...)
}
