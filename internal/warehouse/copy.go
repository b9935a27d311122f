package warehouse

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/duckdb/duckdb-go/v2"
	"github.com/rs/zerolog"
	"golang.org/x/sync/semaphore"
)

// ErrNotPublished means that there is no published copy yet.
var ErrNotPublished = errors.New("nothing has been published yet: the first copy is made after the first refresh of the models")

// Copy is the published copy for readers: a second DuckDB instance on its file, with limits of its own, so that what
// people ask can neither reach bronze nor take the pipeline's memory.
type Copy struct {
	cfg Config
	log zerolog.Logger
	// asked bounds the queries over all files, since an old one may still be read while the next is opened.
	asked   *semaphore.Weighted
	sandbox *Sandbox // nil: what people ask runs in this process

	mu      sync.RWMutex
	db      *DB
	version Version
	opened  int
	closing sync.WaitGroup
}

// Copies have fixed limits: they are beside the pipeline's, and small.
const (
	copyThreads = 2
	copyMemory  = "256MiB"
)

// NewCopy prepares a Copy of the file at path; nothing is opened. Queries spill to folders beside it.
func NewCopy(path string, log zerolog.Logger) *Copy {
	return &Copy{
		cfg: Config{Path: path, Threads: copyThreads, MemoryLimit: copyMemory, ReadOnly: true, name: CopyCatalog},
		log: log.Level(zerolog.WarnLevel), asked: semaphore.NewWeighted(maxUserQueries),
	}
}

// Path is the file's path.
func (c *Copy) Path() string { return c.cfg.Path }

// Version is what the copy in use holds; ok is false while there is none.
func (c *Copy) Version() (version Version, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.version, c.db != nil
}

// Open takes the file that stands at path now into use. The one before is closed when its readers have ended.
func (c *Copy) Open(ctx context.Context) error {
	if _, err := os.Stat(c.cfg.Path); errors.Is(err, os.ErrNotExist) {
		return ErrNotPublished
	}
	cfg := c.cfg
	c.mu.Lock()
	c.opened++
	if cfg.scratch == "" {
		cfg.scratch = spillPath(cfg.Path, strconv.Itoa(c.opened))
	}
	c.mu.Unlock()
	next := New(cfg, c.log)
	next.asked = c.asked
	if err := next.Open(ctx); err != nil {
		return fmt.Errorf("open the published copy: %w", err)
	}
	var version Version
	err := next.Read(ctx, func(ctx context.Context, tx *Tx) error {
		var refreshed, newest, published sql.NullTime
		err := tx.QueryRow(ctx, `SELECT refresh, refreshed_at, newest_extracted_at, published_at FROM meta.published`).
			Scan(&version.Refresh, &refreshed, &newest, &published)
		version.RefreshedAt, version.Newest, version.PublishedAt = refreshed.Time, newest.Time, published.Time
		return err
	})
	if err != nil {
		return errors.Join(fmt.Errorf("read what the published copy holds: %w", err), next.Close())
	}
	c.mu.Lock()
	old := c.db
	c.db, c.version = next, version
	c.mu.Unlock()
	c.retire(old)
	return nil
}

// spillPath is where the queries on the copy that was opened as number so-and-so may spill.
func spillPath(path, number string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".spill-"+number)
}

// retire closes a file once its readers have ended.
func (c *Copy) retire(old *DB) {
	if old == nil {
		return
	}
	c.closing.Go(func() {
		if err := old.Close(); err != nil {
			c.log.Warn().Err(err).Msg("an old published copy could not be closed")
		}
	})
}

// Read runs fn in a transaction on the copy that is newest now, which stays open until fn returns.
func (c *Copy) Read(ctx context.Context, fn func(context.Context, *Tx) error) error {
	return c.on(func(db *DB, _ Version) error { return db.Read(ctx, fn) })
}

// Query runs SQL that a person wrote on the newest copy, as DB.Query does, and says which it was.
func (c *Copy) Query(ctx context.Context, query string, limits Limits) (result *Result, version Version, err error) {
	err = c.on(func(db *DB, v Version) (err error) {
		version = v
		result, err = db.Query(ctx, query, limits)
		return beyondGold(err)
	})
	return result, version, err
}

// beyondGold adds to an unknown table's error where else it may be.
func beyondGold(err error) error {
	if isType(err, duckdb.ErrorTypeCatalog) {
		return fmt.Errorf("%w\n(the published copy holds the schemas marts and meta; raw, staging and intermediate are in the live database: query --raw)", err)
	}
	return err
}

// on runs fn on the newest copy; once more if that was replaced and closed in between.
func (c *Copy) on(fn func(*DB, Version) error) error {
	for range 3 {
		c.mu.RLock()
		db, version := c.db, c.version
		c.mu.RUnlock()
		if db == nil {
			return ErrNotPublished
		}
		if err := fn(db, version); !errors.Is(err, ErrClosed) {
			return err
		}
	}
	return ErrClosed
}

// Close waits for the readers and closes the file.
func (c *Copy) Close() error {
	c.mu.Lock()
	old := c.db
	c.db = nil
	c.mu.Unlock()
	var err error
	if old != nil {
		err = old.Close()
	}
	c.closing.Wait()
	return err
}
