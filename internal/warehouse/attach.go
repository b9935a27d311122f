package warehouse

import (
	"context"
	"database/sql"
	"database/sql/driver"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/duckdb/duckdb-go/v2"
)

// Catalog is the name that the file is attached under. Statements need not name it.
const Catalog = "analytics"

const (
	// rowGroupSize of every table: small enough that literal bounds on date and session prune well.
	rowGroupSize = 16384
	// checkpointThreshold is the size of the log at which a commit writes it into the file.
	checkpointThreshold = "256MB"
	// maxReaders bounds the pooled connections; a caller beyond waits.
	maxReaders = 32
)

//go:embed schema.sql
var schema string

// instance is one DuckDB in memory with the file attached.
type instance struct {
	connector *duckdb.Connector
	// writers never keeps a connection: each transaction has a fresh one (it costs 0.2 ms), so that nothing it leaves
	// there, as temporary tables, outlives it. readers is a pool.
	writers, readers *sql.DB
	threads          threads
	shares           atomic.Int64 // that Shared has given
	catalog          string
	scratch          string
}

// shared keeps the pools from closing the connector that they share.
type shared struct{ *duckdb.Connector }

// Close does nothing; the instance closes the connector.
func (shared) Close() error { return nil }

// attach is the only place where the file is opened. The options of ATTACH are the file's layout: opened once without
// them, the next checkpoint rewrites it whole.
func attach(ctx context.Context, cfg Config) (_ *instance, err error) {
	if err := prepareFolder(cfg); err != nil {
		return nil, err
	}
	var attached atomic.Bool
	connector, err := duckdb.NewConnector("", func(conn driver.ExecerContext) error {
		if !attached.Load() {
			return nil
		}
		_, err := conn.ExecContext(context.Background(), "USE "+cfg.catalog(), nil)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("start DuckDB: %w", err)
	}
	inst := &instance{connector: connector, catalog: cfg.catalog(), scratch: scratchFolder(cfg)}
	inst.writers = sql.OpenDB(shared{connector})
	inst.writers.SetMaxIdleConns(-1)
	inst.readers = sql.OpenDB(shared{connector})
	inst.readers.SetMaxOpenConns(maxReaders)
	inst.readers.SetMaxIdleConns(maxReaders)
	defer func() {
		if err != nil {
			_ = inst.close() // the file may not even be attached
		}
	}()

	conn, err := inst.writers.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to DuckDB: %w", err)
	}
	defer conn.Close() //nolint:errcheck // closing a DuckDB connection cannot fail
	if err := inst.set(ctx, conn, cfg); err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, attachStatement(cfg)+"; USE "+cfg.catalog()); err != nil {
		return nil, explainOpen(err, cfg)
	}
	attached.Store(true)
	if !cfg.ReadOnly {
		// The lock is ours now: what a killed process left is nobody's.
		if err := removeLeft(cfg, inst.scratch); err != nil {
			return nil, err
		}
		if err := createTables(ctx, conn, cfg.Indexes); err != nil {
			return nil, explainOpen(err, cfg)
		}
	}
	// From here on DuckDB touches its own file, its log, its scratch folder and cfg.Folders, and nothing turns that off.
	// How many threads there are may still change; user SQL gets no SET through (inspect).
	if _, err := conn.ExecContext(ctx, "SET enable_external_access = false; SET allowed_configs = ['threads']; SET lock_configuration = true"); err != nil {
		return nil, fmt.Errorf("lock settings: %w", err)
	}
	return inst, nil
}

// set applies what must stand before the file is attached.
func (inst *instance) set(ctx context.Context, conn *sql.Conn, cfg Config) error {
	settings := []string{
		"SET checkpoint_threshold = '" + checkpointThreshold + "'",
		"SET temp_directory = " + Literal(inst.scratch),
		"SET autoinstall_known_extensions = false",
		"SET autoload_known_extensions = false",
		"SET allow_community_extensions = false",
		"SET GLOBAL TimeZone = 'UTC'",
	}
	if cfg.Threads > 0 {
		settings = append(settings, fmt.Sprintf("SET threads = %d", cfg.Threads))
	}
	if cfg.MemoryLimit != "" {
		settings = append(settings, "SET memory_limit = "+Literal(cfg.MemoryLimit))
	}
	folders := []string{Literal(asideFolder(cfg))}
	for _, folder := range cfg.folders() {
		folders = append(folders, Literal(folder))
	}
	settings = append(settings, "SET allowed_directories = ["+strings.Join(folders, ", ")+"]")
	for _, statement := range settings {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("apply setting (%s): %w", statement, err)
		}
	}
	return nil
}

// layout is how every file is attached for writing.
var layout = fmt.Sprintf("STORAGE_VERSION 'latest', ROW_GROUP_SIZE %d", rowGroupSize)

func attachStatement(cfg Config) string {
	options := layout
	if cfg.ReadOnly {
		options = "READ_ONLY"
	}
	return fmt.Sprintf("ATTACH %s AS %s (%s)", Literal(cfg.Path), cfg.catalog(), options)
}

func createTables(ctx context.Context, conn *sql.Conn, indexes bool) error {
	if err := dropOldMirrors(ctx, conn); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, schema+"; DROP VIEW IF EXISTS main."+arrowView); err != nil {
		return fmt.Errorf("create tables: %w", err)
	}
	for _, index := range rawIndexes {
		statement := "DROP INDEX IF EXISTS raw." + index.name
		if indexes {
			statement = fmt.Sprintf("CREATE %s IF NOT EXISTS %s ON raw.conversations (%s)", index.kind, index.name, index.columns)
		}
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("index %s: %w", index.name, err)
		}
	}
	return nil
}

// rawIndexes are those of RAW_INDEXES=on: the specification's five, and the key.
var rawIndexes = []struct{ name, kind, columns string }{
	{"idx_conversations_key", "UNIQUE INDEX", "source, _id"},
	{"idx_conversations_project_id", "INDEX", "project_id"},
	{"idx_conversations_session_id", "INDEX", "session_id"},
	{"idx_conversations_date", "INDEX", "date"},
	{"idx_conversations_type", "INDEX", "type"},
	{"idx_conversations_timestamp", "INDEX", `"timestamp"`},
}

// prepareFolder makes the file's folder.
func prepareFolder(cfg Config) error {
	if cfg.Path == "" {
		return errors.New("no path given")
	}
	if cfg.ReadOnly {
		if _, err := os.Stat(cfg.Path); err != nil {
			return fmt.Errorf("find the file: %w", err)
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(cfg.Path), 0o755); err != nil {
		return explain(err, cfg.Path)
	}
	return nil
}

// close returns the first error. DETACH comes first, because only there a failed checkpoint is told.
func (inst *instance) close() error {
	var errs []error
	errs = append(errs, inst.readers.Close())
	if _, err := inst.writers.Exec("USE memory; DETACH DATABASE IF EXISTS " + inst.catalog); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, inst.writers.Close(), inst.connector.Close(), removeScratch(inst.scratch))
	return errors.Join(errs...)
}

// Literal writes text as an SQL string.
func Literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// Ident writes a name as an SQL identifier.
func Ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
