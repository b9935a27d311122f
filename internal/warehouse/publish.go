package warehouse

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/duckdb/duckdb-go/v2"

	"claude-analytics/internal/durable"
)

// CopyCatalog is the name that DuckDB gives the published copy, from its file marts.duckdb. The tables stand in the
// file's main schema: with a schema of the same name in it, "marts.dim_sessions" would be ambiguous and refused in
// every tool that opens the file.
const CopyCatalog = "marts"

// Gold is the schema that is published.
const Gold = "marts"

// copyStorage is the oldest format that has all that the gold layer needs: files of the newest one open only in
// DuckDB 1.5 and later, and tools lag behind.
const copyStorage = "v1.2.0"

// publishedMeta are the bookkeeping tables that go along; refreshes are many, so only the newest do.
var publishedMeta = map[string]string{
	"refreshes":    "SELECT * FROM %s ORDER BY id DESC LIMIT 1000",
	"test_results": "SELECT * FROM %s",
	"models":       "SELECT * FROM %s",
}

// Version says what a copy holds.
type Version struct {
	// Refresh is the newest refresh in it, 0 before the first.
	Refresh int64 `json:"refresh"`
	// RefreshedAt is when that refresh ended.
	RefreshedAt time.Time `json:"refreshed_at,omitzero"`
	// Newest is the arrival of the newest document in it.
	Newest time.Time `json:"newest,omitzero"`
	// PublishedAt is when the copy was made.
	PublishedAt time.Time `json:"published_at,omitzero"`
}

// sameData is whether both hold the result of the same refresh.
func (v Version) sameData(other Version) bool {
	return v.Refresh == other.Refresh && v.RefreshedAt.Equal(other.RefreshedAt)
}

// Published is a copy that was made.
type Published struct {
	Version
	Tables int
	Bytes  int64
	Took   time.Duration
	// Whole is whether everything was copied, not only what changed since the copy before.
	Whole bool
	// replaced is how many rows were put in the place of others since a copy was whole.
	replaced int64
}

// Publish writes the gold layer into a file of its own, aside, and puts it in the place of path. It reads one committed
// state in a transaction of its own: writers go on meanwhile. describe, if given, adds the tables' and columns' comments.
func (d *DB) Publish(ctx context.Context, path string, describe func(table string) Comments) (Published, error) {
	return d.publish(ctx, path, describe, nil)
}

// publish is Publish that begins from the copy before, if since, which may be nil, says what has changed.
func (d *DB) publish(ctx context.Context, path string, describe func(string) Comments, since sinceCopy) (Published, error) {
	began := time.Now()
	if d.cfg.Copies == "" {
		return Published{}, errors.New("publish: no folder for copies is configured")
	}
	aside, err := d.freshCopyPath(began)
	if err != nil {
		return Published{}, fmt.Errorf("publish: %w", explain(err, path))
	}
	defer os.Remove(aside) //nolint:errcheck // after the rename there is nothing left
	var published Published
	var failed error
	err = d.use(ctx, func(inst *instance) error {
		// A fault of the copy is no fault of the warehouse, which must not be opened anew for it.
		published, failed = inst.copyGold(ctx, &copying{path: path, aside: aside, describe: describe, since: since})
		return nil
	})
	if err == nil && since != nil && errors.Is(failed, errWhole) && ctx.Err() == nil {
		d.log.Info().Err(failed).Msg("the published copy is made anew")
		return d.publish(ctx, path, describe, nil)
	}
	if err = errors.Join(err, failed); err == nil {
		err = replace(aside, path)
	}
	if err != nil {
		return Published{}, fmt.Errorf("publish: %w", explain(err, path))
	}
	if info, err := os.Stat(path); err == nil {
		published.Bytes = info.Size()
	}
	published.Took = time.Since(began)
	return published, nil
}

// removeUnfinished removes what a killed process left: copies that it was writing, and what their readers spilled.
func (d *DB) removeUnfinished(path string) error {
	spilled, err := filepath.Glob(spillPath(path, "*"))
	if err != nil {
		return fmt.Errorf("look for unfinished copies: %w", err)
	}
	for _, folder := range append(spilled, d.cfg.Copies) {
		if err := os.RemoveAll(folder); err != nil {
			return fmt.Errorf("remove unfinished copies: %w", err)
		}
	}
	return nil
}

// freshCopyPath is a new name each time: DuckDB knows files by their names, and an older copy may still be open. What a
// killed process left there is removed.
func (d *DB) freshCopyPath(now time.Time) (string, error) {
	if err := os.RemoveAll(d.cfg.Copies); err != nil {
		return "", fmt.Errorf("remove unfinished copies: %w", err)
	}
	if err := os.MkdirAll(d.cfg.Copies, 0o755); err != nil {
		return "", fmt.Errorf("make the folder of copies: %w", err)
	}
	return filepath.Join(d.cfg.Copies, fmt.Sprintf("copy-%d.duckdb", now.UnixNano())), nil
}

// Version is what the marts hold in this transaction; zero before the first refresh. Every answer asks it, and the catalogue
// takes longer to say whether the tables are there than they do to be read.
func (t *Tx) Version(ctx context.Context) (Version, error) {
	var version Version
	var refreshed, newest sql.NullTime
	err := t.QueryRow(ctx, `SELECT (SELECT coalesce(max(id), 0) FROM meta.refreshes WHERE error IS NULL),
		(SELECT max(refreshed_at) FROM meta.refresh_state), (SELECT max(newest_extracted_at) FROM meta.refresh_state)`).
		Scan(&version.Refresh, &refreshed, &newest)
	switch {
	case isType(err, duckdb.ErrorTypeCatalog):
		return version, nil
	case err != nil:
		return version, fmt.Errorf("read what the marts hold: %w", err)
	}
	version.RefreshedAt, version.Newest = refreshed.Time.UTC(), newest.Time.UTC()
	if !refreshed.Valid {
		version.RefreshedAt = time.Time{}
	}
	if !newest.Valid {
		version.Newest = time.Time{}
	}
	return version, nil
}

// stamp writes into the copy what it holds.
func (t *Tx) stamp(ctx context.Context, published Published) error {
	null := func(at time.Time) any {
		if at.IsZero() {
			return nil
		}
		return at
	}
	_, err := t.Exec(ctx, "CREATE OR REPLACE TABLE "+building+`.meta.published AS SELECT $1::BIGINT AS refresh, $2::TIMESTAMPTZ AS refreshed_at,
		$3::TIMESTAMPTZ AS newest_extracted_at, $4::TIMESTAMPTZ AS published_at, $5::BIGINT AS replaced`,
		published.Refresh, null(published.RefreshedAt), null(published.Newest), published.PublishedAt, published.replaced)
	if err != nil {
		return fmt.Errorf("stamp the copy: %w", err)
	}
	return nil
}

// replace puts a finished file in the place of path, whole or not at all. Nobody writes to a copy, so it is made
// read-only: a tool that opens it for writing is refused instead of leaving a log that would not fit the next copy.
func replace(from, path string) error {
	file, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("open the copy: %w", err)
	}
	err = errors.Join(file.Sync(), file.Chmod(0o444), file.Close())
	if err != nil {
		return fmt.Errorf("sync the copy: %w", err)
	}
	if err := os.Rename(from, path); err != nil {
		return fmt.Errorf("put the copy in place: %w", err)
	}
	if err := os.Remove(path + ".wal"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove a log that does not belong to the copy: %w", err)
	}
	if err := durable.Sync(filepath.Dir(path)); err != nil {
		return fmt.Errorf("sync the copy's folder: %w", err)
	}
	return nil
}
