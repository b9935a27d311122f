package lake

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Erasure is what stays on record of an erasure: nothing that names what was erased.
type Erasure struct {
	Version int `json:"version"`
	// Number tells erasures apart; they count from 1.
	Number int `json:"number"`
	// Kind is session, project or deleted; SubjectHash the hex SHA-256 of the session's or project's id, empty for deleted.
	Kind        string `json:"kind"`
	SubjectHash string `json:"subject_hash,omitempty"`
	// ErasedAt is when it ended; zero while it has not: then it is to be done again.
	Began    time.Time `json:"began"`
	ErasedAt time.Time `json:"erased_at,omitzero"`
	// Rows of the lake that were erased, all versions counted.
	Rows int64 `json:"rows"`
	// UpToEpoch and UpToSeq are the newest change that the erasure covers.
	UpToEpoch uint64 `json:"up_to_epoch"`
	UpToSeq   uint64 `json:"up_to_seq"`
	// Keys are the hex SHA-256 of the documents' _id, by source, sorted.
	Keys map[string][]string `json:"keys"`
}

const erasurePrefix = "erasure-"

func isErasure(name string) bool {
	return strings.HasPrefix(name, erasurePrefix) && strings.HasSuffix(name, jsonSuffix)
}

// Erasures reads the records of all erasures, oldest first.
func (l *Lake) Erasures(context.Context) ([]Erasure, error) {
	dir := filepath.Join(l.cfg.Dir, manifestDir)
	list, err := l.disk.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read erasures: %w", err)
	}
	var all []Erasure
	for _, item := range list {
		if !isErasure(item.Name()) {
			continue
		}
		text, err := l.disk.ReadFile(filepath.Join(dir, item.Name()))
		if err != nil {
			return nil, fmt.Errorf("read erasures: %w", err)
		}
		var e Erasure
		if err := json.Unmarshal(text, &e); err != nil {
			return nil, fmt.Errorf("read erasures: %s: %w; remedy: restore it from a backup, or delete it and erase the same again", item.Name(), err)
		}
		if e.Version > Version {
			return nil, fmt.Errorf("read erasures: %s: %w: format %d, this release reads up to %d", item.Name(), ErrVersion, e.Version, Version)
		}
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b Erasure) int { return a.Number - b.Number })
	return all, nil
}

// RecordErasure writes an erasure down, or its record anew; it is durable when this returns.
func (l *Lake) RecordErasure(_ context.Context, e Erasure) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	e.Version = Version
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("record erasure: %w", err)
	}
	name := filepath.Join(l.cfg.Dir, manifestDir, fmt.Sprintf("%s%06d%s", erasurePrefix, e.Number, jsonSuffix))
	err = writeWhole(l.disk, name, func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
	if err != nil {
		return fmt.Errorf("record erasure: %w", err)
	}
	return nil
}
