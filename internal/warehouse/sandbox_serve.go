package warehouse

import (
	"bufio"
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/duckdb/duckdb-go/v2"
	"github.com/rs/zerolog"
)

// question is what a process of a Sandbox is asked.
type question struct {
	Path    string // of the published copy
	Scratch string // where it may spill
	SQL     string
	Limits  Limits
	Arrow   bool
	Memory  int64 // bytes that the process may take
}

// response is what it says.
type response struct {
	Version   Version
	Result    *Result
	Arrow     []byte // an IPC stream
	Truncated bool   // of Arrow
	Fault     *fault
}

// fault is an error on its way between processes.
type fault struct {
	Text    string
	Refused bool
	Memory  bool
	Type    duckdb.ErrorType // if it is DuckDB's
	DuckDB  bool
}

func init() {
	// What stands in Result.Rows beside Go's own types.
	gob.Register(json.Number(""))
	gob.Register(json.RawMessage(nil))
}

// ServeSandbox answers the question on in, and is all that its process does. It ends the process when in ends: then nobody
// waits any more.
func ServeSandbox(ctx context.Context, in io.Reader, out io.Writer) error {
	var q question
	asked := json.NewDecoder(in)
	if err := asked.Decode(&q); err != nil {
		return fmt.Errorf("read the question: %w", err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, in)
		os.Exit(1)
	}()
	if err := limitMemory(q.Memory); err != nil {
		return fmt.Errorf("limit the memory: %w", err)
	}
	got, err := q.answer(ctx)
	if err != nil {
		got = &response{Fault: faultOf(err)}
	}
	w := bufio.NewWriter(out)
	if err := errors.Join(gob.NewEncoder(w).Encode(got), w.Flush()); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

func (q question) answer(ctx context.Context) (got *response, err error) {
	c := NewCopy(q.Path, zerolog.Nop())
	c.cfg.scratch = q.Scratch
	if err := c.Open(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	got = &response{}
	if !q.Arrow {
		got.Result, got.Version, err = c.Query(ctx, q.SQL, q.Limits)
		return got, err
	}
	var body bytes.Buffer
	got.Truncated, got.Version, err = c.QueryArrow(ctx, q.SQL, q.Limits, func(records array.RecordReader) error {
		w := ipc.NewWriter(&body, ipc.WithSchema(records.Schema()))
		for records.Next() {
			if err := w.Write(records.RecordBatch()); err != nil {
				return errors.Join(err, w.Close())
			}
		}
		return errors.Join(records.Err(), w.Close())
	})
	got.Arrow = body.Bytes()
	return got, err
}

func faultOf(err error) *fault {
	f := &fault{Text: strings.TrimPrefix(err.Error(), "query: "), Refused: errors.Is(err, ErrRefused), Memory: errors.Is(err, ErrOutOfMemory)}
	var said *duckdb.Error
	if errors.As(err, &said) {
		f.DuckDB, f.Type = true, said.Type
	}
	return f
}

// done is the error with what others look for in it, or nil and the response as it was.
func (a *response) done() error {
	f := a.Fault
	if f == nil {
		a.Result.restore()
		return nil
	}
	told := &toldError{text: f.Text}
	switch {
	case f.Refused:
		told.kind = ErrRefused
	case f.Memory:
		told.kind = ErrOutOfMemory
	case f.DuckDB:
		told.kind = &duckdb.Error{Type: f.Type, Msg: f.Text}
	}
	return told
}

// toldError is an error that another process met.
type toldError struct {
	text string
	kind error
}

func (e *toldError) Error() string { return e.text }

// Unwrap lets errors.Is and errors.As see the kind.
func (e *toldError) Unwrap() error { return e.kind }

// restore gives back what gob takes for nothing: no rows, and bytes of which there are none.
func (r *Result) restore() {
	if r == nil {
		return
	}
	if r.Rows == nil {
		r.Rows = [][]any{}
	}
	for _, row := range r.Rows {
		for i, value := range row {
			if bytes, ok := value.([]byte); ok && bytes == nil {
				row[i] = []byte{}
			}
		}
	}
}
