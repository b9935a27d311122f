// Package bronze applies micro-batches to the warehouse's raw tables, each exactly once.
//
// A batch is one transaction: it replaces the rows of its keys, newest order wins; it leaves tombstones of what was
// deleted; it writes which sessions and dates it touched, old and new; and it moves the watermark. A crash leaves the
// state before it or after it. A batch that comes again, or in another order, changes nothing.
package bronze

import (
	"context"
	"sync"

	"github.com/rs/zerolog"

	"claude-analytics/internal/warehouse"
)

// Config says how deletes are taken.
type Config struct {
	// KeepDeleted leaves the rows of deleted documents and dropped namespaces where they are (ON_DELETE=keep): for a
	// MongoDB that expires its documents.
	KeepDeleted bool
}

// Bronze is the only writer of raw.* and of the warehouse's watermark: one of it a file. Its methods may be called
// from any goroutine.
type Bronze struct {
	cfg Config
	db  Warehouse
	log zerolog.Logger

	// mu is held from before a batch's transaction until the state says what the table says.
	mu    sync.Mutex
	known *state
	links recentLinks
	// between is called before each step of a transaction, and hash makes the keys: tests make the one fail, the other
	// collide.
	between func(step string) error
	hash    func(source, id string) uint64
}

// Warehouse is what bronze needs of *warehouse.DB.
type Warehouse interface {
	Write(ctx context.Context, name string, fn func(context.Context, *warehouse.Tx) error) error
	Read(ctx context.Context, fn func(context.Context, *warehouse.Tx) error) error
}

// New prepares a Bronze on an open warehouse; no I/O happens before the first call.
func New(cfg Config, db Warehouse, log zerolog.Logger) *Bronze {
	return &Bronze{cfg: cfg, db: db, log: log, hash: Key, between: func(string) error { return nil }}
}

// Stats is what became of a batch.
type Stats struct {
	// Rows is what the batch held; Inserted + SkippedOlder = Rows.
	Rows int64 `json:"rows"`
	// Inserted are the rows that went into the table, Replaced how many of them took the place of an older one.
	Inserted int64 `json:"inserted"`
	Replaced int64 `json:"replaced"`
	// Deleted are the rows that deletes and drops took out.
	Deleted int64 `json:"deleted"`
	// SkippedOlder are rows for which the batch itself, the table, or a tombstone has something newer.
	SkippedOlder int64 `json:"skipped_older"`
	// Batch is the batch's number: that of its rows in meta.changed_keys.
	Batch int64 `json:"batch"`
}
