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
	"time"
)

// Appended is one line that Live has written.
type Appended struct {
	Path string // of its file, below the folder
	UUID string // of its record; empty if it has none
	Line []byte // without its line feed; good until the callback returns
	At   time.Time
}

// liveSessions is how many sessions are written at the same time.
const liveSessions = 8

// Live goes on appending whole lines, each with one write and with the time of writing as its timestamps, to new
// sessions and to sessions that dir holds already. rate is lines a second; 0 means Config.Rate, and if that is 0 too,
// as fast as possible. observe, if not nil, is told of each line once it is in its file. Live returns when ctx ends,
// which is no error, with the number of lines written.
func (g *Generator) Live(ctx context.Context, dir string, rate float64, observe func(Appended)) (int64, error) {
	if rate == 0 {
		rate = g.cfg.Rate
	}
	l := &liveWriter{g: g, dir: dir, r: derive(g.cfg.Seed, "live"), existing: sessionFiles(dir)}
	defer l.close()
	for len(l.open) < liveSessions {
		if err := l.begin(); err != nil {
			return 0, err
		}
	}
	started := time.Now()
	for n := int64(0); ; n++ {
		if err := pace(ctx, started, n, rate); err != nil {
			return n, nil
		}
		if err := l.step(observe); err != nil {
			return n, err
		}
	}
}

// pace waits until line n is due.
func pace(ctx context.Context, started time.Time, n int64, rate float64) error {
	if rate <= 0 {
		return ctx.Err()
	}
	due := started.Add(time.Duration(float64(n) / rate * float64(time.Second)))
	wait := time.Until(due)
	if wait < time.Millisecond {
		return ctx.Err() // due, or so soon that a timer would only be late
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// liveLine is a line that waits to be written.
type liveLine struct {
	path, uuid string
	text       []byte
	stamps     []int
}

// conversation is a session whose lines are known and yet to be written.
type conversation struct {
	lines []liveLine
	files map[string]*os.File
}

type liveWriter struct {
	g        *Generator
	dir      string
	r        *rng
	existing []string
	open     []*conversation
	begun    int
}

// begin adds a conversation: a new session, or a further part of one that exists.
func (l *liveWriter) begin() error {
	u := l.g.newUnit(l.begun)
	u.r = derive(l.g.cfg.Seed, "live session", uint64(l.begun))
	l.begun++
	c := &conversation{files: map[string]*os.File{}}
	u.live = func(f *file, w *writer, uuid string) {
		text := append(bytes.Clone(w.b), '\n')
		c.lines = append(c.lines, liveLine{f.path, uuid, text, slices.Clone(w.stamps)})
	}
	t := u.newThread(u.r.uuid(), 0.5+u.r.float()/2)
	if len(l.existing) == 0 || !u.r.chance(0.4) || !l.resume(t, pick(u.r, l.existing)) {
		t.begin()
	}
	t.talk()
	for _, s := range u.sidecars {
		path := filepath.Join(l.dir, filepath.FromSlash(s.path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("make folder beside transcript: %w", err)
		}
		if err := os.WriteFile(path, s.data, 0o644); err != nil {
			return fmt.Errorf("write file beside transcript: %w", err)
		}
	}
	l.open = append(l.open, c)
	return nil
}

// resume makes the thread go on with the session of a file. It reports whether that file tells enough, and ends with a
// whole line.
func (l *liveWriter) resume(t *thread, path string) bool {
	last := lastRecord(filepath.Join(l.dir, filepath.FromSlash(path)))
	if last.Session == "" || last.UUID == "" || last.CWD == "" {
		return false
	}
	p := *t.proj
	p.cwd, p.slug = last.CWD, path[:strings.IndexByte(path, '/')]
	t.proj, t.id, t.cwd, t.branch, t.parent = &p, last.Session, last.CWD, last.Branch, last.UUID
	t.f.path = path
	return true
}

type lastFields struct {
	Session string `json:"sessionId"`
	UUID    string `json:"uuid"`
	CWD     string `json:"cwd"`
	Branch  string `json:"gitBranch"`
}

// lastRecord reads the last record of a conversation near a file's end; its fields are empty if there is none.
func lastRecord(path string) (last lastFields) {
	f, err := os.Open(path)
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

// sessionFiles lists the sessions' own files below dir, as <slug>/<uuid>.jsonl, in a stable order.
func sessionFiles(dir string) (paths []string) {
	found, err := filepath.Glob(filepath.Join(dir, "*", "*.jsonl"))
	if err != nil {
		return nil
	}
	for _, path := range found {
		rel, err := filepath.Rel(dir, path)
		if name := filepath.Base(path); err == nil && len(name) == 36+len(".jsonl") && strings.Count(name, "-") == 4 {
			paths = append(paths, filepath.ToSlash(rel))
		}
	}
	slices.Sort(paths)
	return paths
}

// step writes the next line of one of the conversations.
func (l *liveWriter) step(observe func(Appended)) error {
	at := l.r.intn(len(l.open))
	c := l.open[at]
	next := c.lines[0]
	c.lines = c.lines[1:]
	now := time.Now()
	stamp := isoTime(now.UnixMilli())
	for _, place := range next.stamps {
		copy(next.text[place:], stamp)
	}
	f, err := c.file(l.dir, next.path)
	if err != nil {
		return err
	}
	if _, err := f.Write(next.text); err != nil {
		return fmt.Errorf("append to transcript: %w", err)
	}
	if observe != nil {
		observe(Appended{Path: next.path, UUID: next.uuid, Line: next.text[:len(next.text)-1], At: now})
	}
	if len(c.lines) > 0 {
		return nil
	}
	l.open = slices.Delete(l.open, at, at+1)
	if err := c.close(); err != nil {
		return err
	}
	return l.begin()
}

func (c *conversation) file(dir, path string) (*os.File, error) {
	if f := c.files[path]; f != nil {
		return f, nil
	}
	full := filepath.Join(dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		return nil, fmt.Errorf("make folder for transcript: %w", err)
	}
	f, err := os.OpenFile(full, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open transcript: %w", err)
	}
	c.files[path] = f
	return f, nil
}

func (c *conversation) close() error {
	var faults []error
	for _, f := range c.files {
		if err := f.Close(); err != nil {
			faults = append(faults, fmt.Errorf("close transcript: %w", err))
		}
	}
	return errors.Join(faults...)
}

func (l *liveWriter) close() {
	for _, c := range l.open {
		_ = c.close() // every line is written already
	}
}
