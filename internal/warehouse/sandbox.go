package warehouse

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
)

// Sandbox runs SQL that a person wrote in a process of its own. DuckDB's memory limit does not count the strings that a
// function makes, and nothing interrupts one: repeat('x', 4000000000) takes what it takes. A process can be given a limit,
// and be ended whatever it is doing.
type Sandbox struct {
	// Command starts one; what it starts calls ServeSandbox.
	Command []string
	// Memory is how much it may take in all, bytes; 0: 1 GiB. Only Linux keeps to it.
	Memory int64
}

const (
	sandboxMemory = 1 << 30
	// sandboxWait is how long one that was ended may still hold its pipes.
	sandboxWait = 2 * time.Second
	// maxSaid is how much is kept of what a process that failed wrote before it ended.
	maxSaid = 4 << 10
)

// Ask runs SQL that a person wrote on the newest copy, as Query does, but in the Sandbox, if there is one. That costs some
// 50 ms.
func (c *Copy) Ask(ctx context.Context, query string, limits Limits) (*Result, Version, error) {
	if c.sandbox == nil {
		return c.Query(ctx, query, limits)
	}
	answer, err := c.askAside(ctx, question{SQL: query, Limits: limits})
	if err != nil {
		return nil, Version{}, err
	}
	return answer.Result, answer.Version, nil
}

// AskArrow is Ask for programs, as QueryArrow is.
func (c *Copy) AskArrow(ctx context.Context, query string, limits Limits, use func(array.RecordReader) error) (truncated bool, version Version, err error) {
	if c.sandbox == nil {
		return c.QueryArrow(ctx, query, limits, use)
	}
	answer, err := c.askAside(ctx, question{SQL: query, Limits: limits, Arrow: true})
	if err != nil {
		return false, Version{}, err
	}
	reader, err := ipc.NewReader(bytes.NewReader(answer.Arrow))
	if err != nil {
		return false, Version{}, fmt.Errorf("read the answer: %w", err)
	}
	defer reader.Release()
	return answer.Truncated, answer.Version, use(reader)
}

// askAside waits for a turn and asks in another process, all within the time limit.
func (c *Copy) askAside(ctx context.Context, q question) (got *response, err error) {
	if _, ok := c.Version(); !ok {
		return nil, ErrNotPublished
	}
	q.Limits = q.Limits.complete()
	err = inTurn(ctx, c.asked, q.Limits, func(ctx context.Context) (err error) {
		q.Path, q.Scratch = c.cfg.Path, spillPath(c.cfg.Path, "ask-"+strconv.FormatInt(time.Now().UnixNano(), 36))
		got, err = c.sandbox.run(ctx, q)
		// One that was ended leaves what it spilled.
		if gone := os.RemoveAll(q.Scratch); gone != nil {
			c.log.Warn().Err(gone).Msg("what a query spilled could not be removed")
		}
		return err
	})
	return got, err
}

// run starts a process, hands it the question, and reads its answer.
func (s *Sandbox) run(ctx context.Context, q question) (*response, error) {
	if q.Memory = s.Memory; q.Memory <= 0 {
		q.Memory = sandboxMemory
	}
	asked, err := json.Marshal(q)
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	cmd := exec.CommandContext(ctx, s.Command[0], s.Command[1:]...)
	cmd.WaitDelay = sandboxWait
	said := &tail{}
	cmd.Stderr = said
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a process for the query: %w", err)
	}
	// It ends when its input does: the pipe stays open as long as somebody waits for the answer.
	_, err = in.Write(asked)
	got := &response{}
	if err == nil {
		err = gob.NewDecoder(out).Decode(got)
	}
	if err != nil {
		_ = cmd.Cancel() // whatever it still has to say is not understood; Wait tells how it ended
	}
	_ = in.Close()
	ended := cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, s.died(errors.Join(err, ended), q, said.text)
	}
	return got, got.done()
}

// died explains a process that gave no answer: most of all it was refused more memory.
func (s *Sandbox) died(err error, q question, said []byte) error {
	for _, sign := range []string{"out of memory", "bad_alloc", "cannot allocate memory", "failed to allocate"} {
		if bytes.Contains(bytes.ToLower(said), []byte(sign)) {
			return tooMuchMemory(q, errors.New(sign))
		}
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() < 0 { // a signal: the system's own limit, or an allocation that DuckDB did not expect to fail
		return tooMuchMemory(q, err)
	}
	return fmt.Errorf("its process gave no answer: %w: %s", err, bytes.TrimSpace(said))
}

func tooMuchMemory(q question, err error) error {
	return &Fault{Kind: ErrOutOfMemory, Path: q.Path, Err: err, Remedy: "ask for less at once"}
}

// tail keeps the end of what is written to it.
type tail struct{ text []byte }

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if over := len(t.text) - maxSaid; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}
