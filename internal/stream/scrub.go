package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/nats-io/nats-server/v2/server"

	"claude-analytics/internal/durable"
	"claude-analytics/proto"
)

// A scrub makes what was removed from the embedded server's streams physically gone: with the server stopped, every
// record of a message that the streams do not list any more, or that the plan names, loses its content. The server's own
// secure delete is not enough: it first notes the deletion, then overwrites, and what it was killed between cannot be
// asked for again; superseded positions it does not overwrite at all.
//
// The plan stands beside the store until all is done. Whatever is interrupted is done again: before the server starts if
// the index that it left was saved, else after it was started and stopped once more.

// scrubPlan is what the file of that name holds: sequences, nothing of their content.
type scrubPlan struct {
	Messages []uint64 `json:"messages"`
	Letters  []uint64 `json:"letters"`
}

const (
	scrubSuffix = ".scrub"
	planFile    = "plan.json"
	indexFile   = "index.db"
	blockSuffix = ".blk"
)

// scrubber works on the store in dir.
type scrubber struct {
	store string // the server's folder
	notes string // ours, beside it
	// step is called before each change of a file; tests stop there.
	step func(what string) error
}

func newScrubber(dir string) *scrubber {
	store := filepath.Join(storeParent(dir), storeName)
	return &scrubber{store: store, notes: store + scrubSuffix, step: func(string) error { return nil }}
}

// plan adds to what is to be erased, durably.
func (s *scrubber) plan(add scrubPlan) error {
	known, _, err := s.planned()
	if err != nil {
		return err
	}
	known.Messages = append(known.Messages, add.Messages...)
	known.Letters = append(known.Letters, add.Letters...)
	content, err := json.Marshal(known)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.notes, 0o750); err != nil {
		return fmt.Errorf("plan what is erased: %w", err)
	}
	if err := s.write(filepath.Join(s.notes, planFile), content); err != nil {
		return fmt.Errorf("plan what is erased: %w", err)
	}
	return durable.Sync(filepath.Dir(s.notes))
}

func (s *scrubber) planned() (plan scrubPlan, ok bool, err error) {
	content, err := os.ReadFile(filepath.Join(s.notes, planFile))
	if errors.Is(err, fs.ErrNotExist) {
		return plan, false, nil
	}
	if err == nil {
		err = json.Unmarshal(content, &plan)
	}
	if err != nil {
		return plan, false, fmt.Errorf("read what is to be erased from the stream: %w", err)
	}
	return plan, true, nil
}

// saved reports whether a scrub had begun to change blocks: the server must not be started before the rest is done, as far
// as that can be helped.
func (s *scrubber) saved() bool {
	for _, stream := range []string{proto.StreamName, proto.DeadLetterName} {
		if _, err := os.Stat(filepath.Join(s.notes, stream)); err == nil {
			return true
		}
	}
	return false
}

// run does what is planned. The server is stopped, and was stopped in good order if nothing is saved.
func (s *scrubber) run(ctx context.Context) (erased int, err error) {
	plan, ok, err := s.planned()
	if err != nil || !ok {
		return 0, err
	}
	for _, stream := range []struct {
		name string
		seqs []uint64
	}{{proto.StreamName, plan.Messages}, {proto.DeadLetterName, plan.Letters}} {
		n, err := s.stream(ctx, stream.name, stream.seqs)
		erased += n
		if err != nil {
			return erased, fmt.Errorf("scrub the store of %s: %w", stream.name, err)
		}
	}
	if err := s.step("forget the plan"); err != nil {
		return erased, err
	}
	if err := os.RemoveAll(s.notes); err != nil {
		return erased, fmt.Errorf("scrub: %w", err)
	}
	return erased, durable.Sync(filepath.Dir(s.notes))
}

func (s *scrubber) stream(ctx context.Context, name string, seqs []uint64) (erased int, err error) {
	folder := filepath.Join(s.store, server.DEFAULT_GLOBAL_ACCOUNT, "streams", name, "msgs")
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	known, err := s.index(folder, name)
	if err != nil {
		return 0, err
	}
	named := make(map[uint64]struct{}, len(seqs))
	for _, seq := range seqs {
		named[seq] = struct{}{}
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return 0, err
	}
	for _, entry := range entries {
		if err := ctx.Err(); err != nil {
			return erased, err
		}
		path := filepath.Join(folder, entry.Name())
		number, isBlock := strings.CutSuffix(entry.Name(), blockSuffix)
		if !isBlock {
			// What the server was killed while writing: it would take no notice, or does away with it itself.
			if ext := filepath.Ext(path); ext == ".tmp" || ext == ".new" {
				if err := os.Remove(path); err != nil {
					return erased, err
				}
			}
			continue
		}
		n, err := strconv.ParseUint(number, 10, 32)
		if err != nil {
			continue // not the server's
		}
		dead := known.dead(n)
		count, err := s.block(path, name, n, func(seq uint64) bool {
			_, planned := named[seq]
			return planned || dead(seq)
		})
		erased += count
		if err != nil {
			return erased, fmt.Errorf("block %s: %w", path, err)
		}
	}
	return erased, nil
}

// index is what the server left as its index when it stopped. It is saved aside and taken away from the server: it names
// subjects of what goes, and the blocks alone then say what there is.
func (s *scrubber) index(folder, name string) (*listed, error) {
	path, aside := filepath.Join(folder, indexFile), filepath.Join(s.notes, name)
	content, err := os.ReadFile(aside)
	if errors.Is(err, fs.ErrNotExist) {
		if content, err = os.ReadFile(path); err == nil {
			if _, err = readIndex(content, name); err == nil {
				if err = s.step("save the index of " + name); err == nil {
					err = s.write(aside, content)
				}
			}
		}
	}
	if err != nil {
		return nil, err
	}
	if err := s.step("remove the index of " + name); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := durable.Sync(folder); err != nil {
		return nil, err
	}
	return readIndex(content, name)
}

func (s *scrubber) block(path, stream string, number uint64, dead func(uint64) bool) (int, error) {
	stored, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	clean, erased, err := eraseRecords(stored, stream, number, dead)
	if err != nil || erased == 0 {
		return 0, err
	}
	if err := s.step("write " + filepath.Base(path)); err != nil {
		return 0, err
	}
	return erased, s.write(path, clean)
}

// write puts a file into its place as a whole, durably.
func (s *scrubber) write(path string, content []byte) error {
	return durable.WriteFile(path, content, 0o600, func() error { return s.step("rename " + filepath.Base(path)) })
}
