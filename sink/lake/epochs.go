package lake

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"
)

// EpochRecord is one life of the stream as the lake's registry keeps it.
type EpochRecord struct {
	Epoch  uint64 `json:"epoch"`
	Stream Stream `json:"stream"`
	// Began is when the sink decided on it, by the sink's clock.
	Began time.Time `json:"began"`
	// Reason says why a new epoch was needed.
	Reason string `json:"reason"`
	// Floor is the sequence below which the stream no longer held all changes when the epoch began: what stood there
	// is in older epochs alone. 0: it held all, or there are no older epochs.
	Floor uint64 `json:"floor,omitempty"`
}

type epochRegistry struct {
	Version int           `json:"version"`
	Epochs  []EpochRecord `json:"epochs"`
}

// Epochs is the registry, oldest first.
func (l *Lake) Epochs() []EpochRecord { return slices.Clone(l.folder().epochs) }

// Floor is the EpochRecord.Floor of an epoch, 0 if it is not known.
func (l *Lake) Floor(epoch uint64) uint64 {
	for _, r := range l.folder().epochs {
		if r.Epoch == epoch {
			return r.Floor
		}
	}
	return 0
}

// BeginEpoch records a new life of the stream; it is durable when this returns, before anything of it lands.
// Recording the newest epoch again with the same stream changes nothing.
func (l *Lake) BeginEpoch(_ context.Context, record EpochRecord) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := l.beginEpoch(record); err != nil {
		return fmt.Errorf("begin epoch %d: %w", record.Epoch, err)
	}
	return nil
}

func (l *Lake) beginEpoch(record EpochRecord) error {
	if !l.isOpen() {
		return ErrNotOpen
	}
	known := l.Epochs()
	if n := len(known); n > 0 {
		newest := known[n-1]
		if newest.Epoch == record.Epoch && newest.Stream.Equal(record.Stream) {
			return nil
		}
		if newest.Epoch >= record.Epoch {
			return fmt.Errorf("the lake already knows epoch %d", newest.Epoch)
		}
	}
	known = append(known, record)
	err := writeJSON(l.disk, filepath.Join(l.cfg.Dir, manifestDir, epochsFile), epochRegistry{Version: Version, Epochs: known})
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now.epochs = known
	return nil
}

// readEpochs reads the registry; none is an empty one. One that cannot be read is a fault: the entries and the
// warehouse's watermark still say which epochs there were.
func (f *folder) readEpochs(disk FS, dir string) error {
	name := filepath.Join(dir, manifestDir, epochsFile)
	text, err := disk.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var registry epochRegistry
	if err := json.Unmarshal(text, &registry); err != nil {
		f.fault(manifestDir+"/"+epochsFile, fmt.Sprintf("the register of epochs cannot be read: %v", err),
			"restore it from a backup, or delete it: the epochs are then taken from the manifest entries and the warehouse")
		return nil
	}
	if registry.Version > Version {
		return fmt.Errorf("%s: %w: format %d, this release reads up to %d", name, ErrVersion, registry.Version, Version)
	}
	slices.SortFunc(registry.Epochs, func(a, b EpochRecord) int { return cmp.Compare(a.Epoch, b.Epoch) })
	f.epochs = registry.Epochs
	return nil
}
