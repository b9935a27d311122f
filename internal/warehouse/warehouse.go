// Package warehouse opens the DuckDB file and hands out its transactions: one writer at a time, any number of readers.
// It is the only package that imports DuckDB.
//
// While a process has the file open for writing no other process can open it, not even to read. Within the process the
// same holds, but nothing would say so: a second instance on the same file reads stale pages, and opening and closing
// the file by any other means (os.Open, a copy) drops the lock that DuckDB holds on it. So: one DB a process and file,
// and nobody else touches the file.
package warehouse

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/semaphore"
)

// Config says which file to open, and how. Only Path is required.
type Config struct {
	// Path of the file; its folder is made if it is missing (not with ReadOnly).
	Path string
	// Threads that DuckDB uses at most; 0: one a core.
	Threads int
	// MemoryLimit as DuckDB writes it ("2GB", "80%"); empty: DuckDB's own default, 80 % of the machine.
	MemoryLimit string
	// Indexes creates the specification's five indexes and the key of raw.conversations; without it they are dropped.
	Indexes bool
	// ReadOnly opens an existing file for Read and Query alone; several processes may do so at once.
	ReadOnly bool
	// Folders that DuckDB itself may read and write (the lake, for a rebuild). User SQL never may.
	Folders []string
	// Copies is the folder in which Publish builds; empty: nothing is published. User SQL never reaches it either.
	Copies string

	name    string // that the file is attached under; empty: Catalog
	scratch string // where DuckDB spills; empty: beside the file
}

func (c Config) catalog() string {
	if c.name != "" {
		return c.name
	}
	return Catalog
}

func (c Config) folders() []string {
	if c.Copies == "" {
		return c.Folders
	}
	return append([]string{c.Copies}, c.Folders...)
}

// DB is one DuckDB file. Its methods may be called from any goroutine once Open has returned.
type DB struct {
	cfg Config
	log zerolog.Logger

	// queue lets one write transaction run at a time, in the order of asking.
	queue *semaphore.Weighted
	// asked bounds the user queries that run at a time: each may take all threads and much memory.
	asked *semaphore.Weighted

	// mu is held for reading while an instance is in use, for writing (seize) while it is opened, replaced or closed.
	mu   sync.RWMutex
	away away
	inst *instance
	// broken is set when DuckDB says that the instance can no longer be used; the next caller opens it anew.
	broken atomic.Bool
	closed bool
}

// maxUserQueries is how many Query calls run at a time; more wait.
const maxUserQueries = 2

// New prepares a DB; no I/O happens before Open.
func New(cfg Config, log zerolog.Logger) *DB {
	return &DB{
		cfg:   cfg,
		log:   log,
		queue: semaphore.NewWeighted(1),
		asked: semaphore.NewWeighted(maxUserQueries),
	}
}

// Open attaches the file, creates what is missing of raw and meta, and readies the transactions. Errors that a person
// can do something about are a *Fault: ErrLocked, ErrCorrupt, ErrNotWritable, ErrDiskFull.
func (d *DB) Open(ctx context.Context) error {
	defer d.seize()()
	if d.inst != nil {
		return errors.New("open warehouse: already open")
	}
	start := time.Now()
	inst, err := attach(ctx, d.cfg)
	if err != nil {
		return fmt.Errorf("open warehouse: %w", err)
	}
	d.inst, d.closed = inst, false
	d.log.Info().Str("path", d.cfg.Path).Bool("read_only", d.cfg.ReadOnly).Dur("took", time.Since(start)).Msg("warehouse opened")
	return nil
}

// Close waits for the transactions in hand, writes the log into the file and closes it. It is idempotent.
func (d *DB) Close() error {
	defer d.seize()()
	d.closed = true
	if d.inst == nil {
		return nil
	}
	inst := d.inst
	d.inst = nil
	if err := inst.close(); err != nil {
		return fmt.Errorf("close warehouse: %w", explain(err, d.cfg.Path))
	}
	d.log.Info().Str("path", d.cfg.Path).Msg("warehouse closed")
	return nil
}

// Path is the file's path.
func (d *DB) Path() string { return d.cfg.Path }

// use runs fn on the open instance. An instance that DuckDB declared unusable (a failed write to its log, mostly a full
// disk) is closed and opened anew first, so that a service goes on by itself once the cause is gone.
func (d *DB) use(ctx context.Context, fn func(*instance) error) error {
	if d.broken.Load() {
		if err := d.reopen(); err != nil {
			return err
		}
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.inst == nil {
		return ErrClosed
	}
	err := fn(d.inst)
	if isFatal(err) {
		d.broken.Store(true)
	}
	return explain(err, d.cfg.Path)
}

// reopen replaces a broken instance. It waits until nobody uses the old one.
func (d *DB) reopen() error {
	defer d.seize()()
	if d.closed {
		return ErrClosed
	}
	if !d.broken.Load() {
		return nil // someone else did
	}
	// What the old one has to say is known: it is why we are here.
	if _, err := d.replace(nil); err != nil {
		return err
	}
	d.log.Info().Str("path", d.cfg.Path).Msg("warehouse opened again")
	return nil
}

// replace closes the instance and opens another: two on one file would corrupt it. Whoever calls it has it for himself; between
// is done in the meantime, if the old one closed well. Whatever became of that (closed), one file is there, whole, and is opened;
// if this fails (err), the next caller tries again.
func (d *DB) replace(between func() error) (closed, err error) {
	old := d.inst
	d.inst = nil
	if old != nil {
		closed = old.close()
	}
	if closed == nil && between != nil {
		closed = between()
	}
	inst, err := attach(context.Background(), d.cfg)
	d.broken.Store(err != nil)
	if err != nil {
		return closed, fmt.Errorf("open warehouse again: %w", err)
	}
	d.inst = inst
	return closed, nil
}
