package generator

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"
)

// Appended is one line that Live or LiveMongo has written.
type Appended struct {
	Path string // of its file, below the folder
	UUID string // of its record; empty if it has none
	Line []byte // without its line feed; good until the callback returns
	At   time.Time
}

// liveSessions is how many sessions are written at the same time.
const liveSessions = 8

// restingSessions is how many sessions that are over may be gone on with, if dir did not hold more to begin with: people
// come back to what they did lately, and no session grows without end.
const restingSessions = 64

// Live goes on appending whole lines, each with one write and with the time of writing as its timestamps, to new
// sessions and to sessions that dir holds already. rate is lines a second; 0 means Config.Rate, and if that is 0 too,
// as fast as possible. observe, if not nil, is told of each line once it is in its file. Live returns when ctx ends,
// which is no error, with the number of lines written.
func (g *Generator) Live(ctx context.Context, dir string, rate float64, observe func(Appended)) (int64, error) {
	if rate == 0 {
		rate = g.cfg.Rate
	}
	return g.live(ctx, &folder{dir: dir, observe: observe}, rate)
}

// destination is where live sessions are written.
type destination interface {
	// sessions are the paths of the sessions' own files that are there already, as <slug>/<uuid>.jsonl.
	sessions(ctx context.Context) ([]string, error)
	// last is the last record of such a file; its fields are empty if the file cannot be gone on with.
	last(path string) lastFields
	// beside stores a file that is no transcript.
	beside(s sidecar) error
	// append writes a whole line, which ends in a line feed.
	append(ctx context.Context, line Appended) error
	// ended says that a conversation is over: nothing more comes to its files, unless another one goes on with them.
	ended(paths []string) error
}

// lastFields are what it takes to go on with a session.
type lastFields struct {
	Session string `json:"sessionId" bson:"sessionId"`
	UUID    string `json:"uuid" bson:"uuid"`
	CWD     string `json:"cwd" bson:"cwd"`
	Branch  string `json:"gitBranch" bson:"gitBranch"`
}

// live writes lines until ctx ends.
func (g *Generator) live(ctx context.Context, to destination, rate float64) (int64, error) {
	existing, err := to.sessions(ctx)
	if err != nil {
		return 0, err
	}
	l := &liveWriter{g: g, to: to, r: derive(g.cfg.Seed, "live"), resting: existing, rests: max(restingSessions, len(existing))}
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
		if err := l.step(ctx); err != nil {
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
	session string // the path of the session's own file
	lines   []liveLine
	paths   []string
}

type liveWriter struct {
	g  *Generator
	to destination
	r  *rng
	// resting are the sessions that may be gone on with, at most rests of them.
	resting []string
	rests   int
	open    []*conversation
	begun   int
}

// begin adds a conversation: a new session, or a further part of one that exists.
func (l *liveWriter) begin() error {
	u := l.g.newUnit(l.begun)
	u.r = derive(l.g.cfg.Seed, "live session", uint64(l.begun))
	l.begun++
	c := &conversation{}
	u.live = func(f *file, w *writer, uuid string) {
		text := append(bytes.Clone(w.b), '\n')
		c.lines = append(c.lines, liveLine{f.path, uuid, text, slices.Clone(w.stamps)})
		if !slices.Contains(c.paths, f.path) {
			c.paths = append(c.paths, f.path)
		}
	}
	t := u.newThread(u.r.uuid(), 0.5+u.r.float()/2)
	if !u.r.chance(0.4) || !l.resume(t) {
		t.begin()
	}
	c.session = t.f.path
	t.talk()
	for _, s := range u.sidecars {
		if err := l.to.beside(s); err != nil {
			return err
		}
	}
	l.open = append(l.open, c)
	return nil
}

// resume makes the thread go on with one of the resting sessions. It reports whether there is one, and its file tells
// enough and ends with a whole line.
func (l *liveWriter) resume(t *thread) bool {
	if len(l.resting) == 0 {
		return false
	}
	at := l.r.intn(len(l.resting))
	path := l.resting[at]
	l.resting = slices.Delete(l.resting, at, at+1)
	last := l.to.last(path)
	if last.Session == "" || last.UUID == "" || last.CWD == "" {
		return false
	}
	p := *t.proj
	p.cwd, p.slug = last.CWD, path[:strings.IndexByte(path, '/')]
	t.proj, t.id, t.cwd, t.branch, t.parent = &p, last.Session, last.CWD, last.Branch, last.UUID
	t.f.path = path
	return true
}

// step writes the next line of one of the conversations.
func (l *liveWriter) step(ctx context.Context) error {
	at := l.r.intn(len(l.open))
	c := l.open[at]
	next := c.lines[0]
	c.lines = c.lines[1:]
	now := time.Now()
	stamp := isoTime(now.UnixMilli())
	for _, place := range next.stamps {
		copy(next.text[place:], stamp)
	}
	if err := l.to.append(ctx, Appended{Path: next.path, UUID: next.uuid, Line: next.text, At: now}); err != nil {
		return err
	}
	if len(c.lines) > 0 {
		return nil
	}
	l.open = slices.Delete(l.open, at, at+1)
	if err := l.to.ended(c.paths); err != nil {
		return err
	}
	l.resting = append(l.resting, c.session)
	l.resting = l.resting[max(0, len(l.resting)-l.rests):]
	return l.begin()
}

func (l *liveWriter) close() {
	for _, c := range l.open {
		_ = l.to.ended(c.paths) // every line is written already
	}
}
