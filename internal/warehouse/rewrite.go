package warehouse

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"claude-analytics/internal/durable"
)

// Rewritten is what Rewrite did to the file, in bytes.
type Rewritten struct {
	Before int64 `json:"before"`
	After  int64 `json:"after"`
}

// fresh is the name that the new file is attached under while it is filled.
const fresh = "fresh"

// asideFolder holds the new file until it is whole. It is a folder because DuckDB puts logs beside its file.
func asideFolder(cfg Config) string { return cfg.Path + ".rewrite" }

// Rewrite copies what the database holds into a new file and puts that in the old one's place: deleted rows keep their
// bytes in the blocks that they leave, a new file never had them. Writers wait meanwhile; readers only while the files
// change places, and after the transactions that they have open. A crash leaves the old file or the new one, whole.
func (d *DB) Rewrite(ctx context.Context) (Rewritten, error) {
	if d.cfg.ReadOnly {
		return Rewritten{}, fmt.Errorf("rewrite: %w", ErrReadOnly)
	}
	place, err := d.takePlace(ctx)
	if err != nil {
		return Rewritten{}, fmt.Errorf("rewrite: %w", err)
	}
	defer place.leave()
	start := time.Now()
	var done Rewritten
	err = d.use(ctx, func(inst *instance) error { return inst.copyAside(ctx, d.cfg) })
	if err == nil {
		done, err = d.swap()
	}
	if err != nil {
		err = errors.Join(err, os.RemoveAll(asideFolder(d.cfg)))
		return Rewritten{}, fmt.Errorf("rewrite %s: %w", d.cfg.Path, explain(err, d.cfg.Path))
	}
	d.log.Info().Str("path", d.cfg.Path).Int64("before", done.Before).Int64("after", done.After).Dur("took", time.Since(start)).
		Msg("warehouse rewritten")
	return done, nil
}

func asidePath(cfg Config) string { return filepath.Join(asideFolder(cfg), filepath.Base(cfg.Path)) }

// copyAside fills the new file and makes it durable.
func (inst *instance) copyAside(ctx context.Context, cfg Config) (err error) {
	if err := os.RemoveAll(asideFolder(cfg)); err != nil {
		return err
	}
	if err := os.Mkdir(asideFolder(cfg), 0o755); err != nil {
		return err
	}
	conn, err := inst.writers.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close() //nolint:errcheck // closing a DuckDB connection cannot fail
	attach := fmt.Sprintf("ATTACH %s AS %s (%s)", Literal(asidePath(cfg)), fresh, layout)
	if _, err := conn.ExecContext(ctx, attach); err != nil {
		return fmt.Errorf("make the new file: %w", err)
	}
	defer func() {
		if err != nil {
			_, _ = conn.ExecContext(context.WithoutCancel(ctx), "DETACH DATABASE IF EXISTS "+fresh) // the copy is given up anyway
		}
	}()
	for _, statement := range []string{
		fmt.Sprintf("COPY FROM DATABASE %s TO %s", Catalog, fresh),
		"CHECKPOINT " + fresh,
		"DETACH " + fresh,
	} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	if left, err := os.Stat(asidePath(cfg) + ".wal"); err == nil && left.Size() > 0 {
		return errors.New("the new file's log was not written into it")
	}
	return durable.Sync(asidePath(cfg))
}

// swap puts the new file in the old one's place.
func (d *DB) swap() (done Rewritten, err error) {
	defer d.seize()()
	if d.inst == nil {
		return done, ErrClosed
	}
	closed, err := d.replace(func() (err error) {
		done, err = replaceFile(d.cfg)
		return err
	})
	return done, errors.Join(closed, err)
}

func replaceFile(cfg Config) (done Rewritten, err error) {
	if _, err := os.Stat(cfg.Path + ".wal"); !errors.Is(err, fs.ErrNotExist) {
		// It would be read into the new file.
		return done, errors.Join(errors.New("the old file's log was not written into it"), err)
	}
	for path, size := range map[string]*int64{cfg.Path: &done.Before, asidePath(cfg): &done.After} {
		info, err := os.Stat(path)
		if err != nil {
			return done, err
		}
		*size = info.Size()
	}
	if err := os.Rename(asidePath(cfg), cfg.Path); err != nil {
		return done, err
	}
	return done, durable.Sync(filepath.Dir(cfg.Path))
}
