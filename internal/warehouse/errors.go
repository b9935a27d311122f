package warehouse

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/duckdb/duckdb-go/v2"
)

// ErrLocked means that another process has the file open; the Fault names it.
var ErrLocked = errors.New("another process has the warehouse open")

// ErrCorrupt means that the file is damaged, or not one that this DuckDB can read.
var ErrCorrupt = errors.New("the warehouse file cannot be read")

// ErrNotWritable means that the file or its folder may not be written.
var ErrNotWritable = errors.New("the warehouse folder is not writable")

// ErrDiskFull means that a write found no space; nothing of the transaction is kept.
var ErrDiskFull = errors.New("no space left on the warehouse's disk")

// ErrOutOfMemory means that a statement needed more than the memory limit and could not spill.
var ErrOutOfMemory = errors.New("the warehouse's memory limit was reached")

// ErrClosed is returned after Close.
var ErrClosed = errors.New("the warehouse is closed")

// ErrReadOnly is returned by Write on a file opened for reading.
var ErrReadOnly = errors.New("the warehouse is open for reading only")

// ErrUnknownOutcome means that COMMIT itself failed: the transaction may be there or not, and the caller has to look.
var ErrUnknownOutcome = errors.New("the commit's outcome is unknown")

// Fault is an error with a remedy. errors.Is finds Kind.
type Fault struct {
	// Kind is one of the errors above.
	Kind error
	Path string
	// PID of the process that holds the lock, 0 if unknown.
	PID int
	// Remedy is what a person can do about it, one sentence.
	Remedy string
	// Err is what DuckDB or the system said.
	Err error
}

// Error gives the file, what is wrong, and the remedy; then what was said.
func (f *Fault) Error() string {
	who := ""
	if f.PID != 0 {
		who = fmt.Sprintf(" (pid %d)", f.PID)
	}
	said, _, _ := strings.Cut(f.Err.Error(), "\n") // more lines are DuckDB's advice
	return fmt.Sprintf("%s: %s%s; %s: %s", f.Path, f.Kind, who, f.Remedy, said)
}

// Unwrap lets errors.Is see both.
func (f *Fault) Unwrap() []error { return []error{f.Kind, f.Err} }

var lockHolder = regexp.MustCompile(`\(PID (\d+)\)`)

// explainOpen adds to explain what can only be wrong when the file is opened.
func explainOpen(err error, cfg Config) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "Could not set lock on file"):
		fault := &Fault{Kind: ErrLocked, Path: cfg.Path, Err: err, Remedy: "stop it, or let it answer: commands ask a running service by themselves when they share its DATA_DIR"}
		if m := lockHolder.FindStringSubmatch(text); m != nil {
			fault.PID, _ = strconv.Atoi(m[1])
		}
		return fault
	case strings.Contains(text, "version number"):
		return &Fault{Kind: ErrCorrupt, Path: cfg.Path, Err: err, Remedy: "it was written by another DuckDB: use the release that wrote it, or move it away and run `claude-analytics load --full-refresh`"}
	}
	return explain(err, cfg.Path)
}

// explain turns what people can do something about into a Fault and leaves the rest. It looks at the error's type
// before its text: SQL can put any text into an error.
func explain(err error, path string) error {
	var known *Fault
	if err == nil || errors.As(err, &known) {
		return err
	}
	if isType(err, duckdb.ErrorTypeOutOfMemory) {
		return &Fault{Kind: ErrOutOfMemory, Path: path, Err: err, Remedy: "raise DUCKDB_MEMORY_LIMIT, or ask for less at once"}
	}
	damage := isType(err, duckdb.ErrorTypeIO, duckdb.ErrorTypeFatal, duckdb.ErrorTypeInternal, duckdb.ErrorTypeSerialization, duckdb.ErrorTypeTransaction)
	says := func(texts ...string) bool {
		return damage && slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(err.Error(), text) })
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), says("No space left on device", "not enough space"):
		return &Fault{Kind: ErrDiskFull, Path: path, Err: err, Remedy: "free some (it goes on by itself), or run `claude-analytics gc`"}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), says("Permission denied", "Read-only file system"):
		return &Fault{Kind: ErrNotWritable, Path: path, Err: err, Remedy: "give this user the right to write there, or set DATA_DIR or DUCKDB_PATH to a folder where it may"}
	case isType(err, duckdb.ErrorTypeSerialization), says("not a valid DuckDB database", "orrupt", "checksum"):
		return &Fault{Kind: ErrCorrupt, Path: path, Err: err, Remedy: "move it away and run `claude-analytics load --full-refresh`: it is rebuilt from the lake"}
	}
	return err
}

// isFatal reports that DuckDB will refuse everything until the file is opened anew.
func isFatal(err error) bool {
	return isType(err, duckdb.ErrorTypeFatal)
}

func isType(err error, types ...duckdb.ErrorType) bool {
	var dbErr *duckdb.Error
	return errors.As(err, &dbErr) && slices.Contains(types, dbErr.Type)
}

// badValue and badSQL are what whoever asked can mend.
var (
	badValue = []duckdb.ErrorType{duckdb.ErrorTypeConversion, duckdb.ErrorTypeOutOfRange, duckdb.ErrorTypeInvalidInput, duckdb.ErrorTypeMismatchType, duckdb.ErrorTypeDivideByZero}
	badSQL   = []duckdb.ErrorType{duckdb.ErrorTypeParser, duckdb.ErrorTypeSyntax, duckdb.ErrorTypeBinder, duckdb.ErrorTypeCatalog, duckdb.ErrorTypeNotImplemented}
)
