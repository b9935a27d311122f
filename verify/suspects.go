package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"claude-analytics/proto"
)

func (c *sourceComparison) difference(kind string, count int64) Difference {
	d := Difference{Kind: kind, Count: count, Where: c.source.Description(), Repair: c.fix.resnapshot()}
	switch kind {
	case KindDocumentMissing:
		d.Detail = "documents of the source, covered by its position, are in neither lake nor warehouse"
	case KindDocumentExtra:
		d.Detail = "rows whose document is gone in the source"
	case KindContent:
		d.Detail = "the source holds another content than the lake, under the same rules of redaction"
	}
	return d
}

// tell names what is left, but for what is known to be missing: dead letters and erased documents.
func (c *sourceComparison) tell(ctx context.Context) error {
	if c.none() {
		return nil
	}
	excused, err := c.excuse(ctx)
	if err != nil {
		return err
	}
	if excused > 0 {
		c.level.note(fmt.Sprintf("%d documents are missing as they should: dead letters, or erased", excused))
	}
	for _, kind := range []string{KindDocumentMissing, KindDocumentExtra, KindContent} {
		keys := c.suspects[kind]
		if len(keys) == 0 {
			continue
		}
		d := c.difference(kind, int64(len(keys)))
		var first, last time.Time
		undated := false
		for _, s := range keys {
			if s.date.IsZero() {
				undated = true
				continue
			}
			if first.IsZero() || s.date.Before(first) {
				first = s.date
			}
			if s.date.After(last) {
				last = s.date
			}
		}
		if kind != KindDocumentExtra && !undated {
			d.Repair = c.fix.source(first, last)
		}
		if d.Examples, err = c.examples(ctx, keys); err != nil {
			return err
		}
		c.level.differ(d)
	}
	return nil
}

func (c *sourceComparison) examples(ctx context.Context, keys map[uint64]*suspect) ([]string, error) {
	var names []string
	for key, s := range keys {
		name := s.id
		if name == "" {
			list, err := c.texts(ctx, "name a row", "SELECT _id FROM raw.conversations WHERE _key = ?", key)
			if err != nil {
				return nil, err
			}
			name = strings.Join(list, " ")
		}
		if names = append(names, name); len(names) >= 4*maxExamples {
			break
		}
	}
	slices.Sort(names)
	return names[:min(len(names), maxExamples)], nil
}

// excuse takes out documents that cannot be there.
func (c *sourceComparison) excuse(ctx context.Context) (int64, error) {
	missing := c.suspects[KindDocumentMissing]
	if len(missing) == 0 {
		return 0, nil
	}
	before, lane := len(missing), c.source.Lane()
	if c.parts.Stream != nil {
		err := c.parts.Stream.ReadDeadLetters(ctx, func(letter proto.DeadLetter) error {
			if letter.Lane == lane && letter.ID != "" {
				delete(missing, c.cfg.Key(lane, letter.ID))
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	there, err := c.has(ctx, "meta", "erased_keys")
	if err != nil || !there {
		return int64(before - len(missing)), err
	}
	erased := map[string]bool{}
	err = c.each(ctx, "read what was erased", "SELECT id_hash FROM meta.erased_keys WHERE source = ?", func(scan func(...any) error) error {
		var hash string
		if err := scan(&hash); err != nil {
			return err
		}
		erased[hash] = true
		return nil
	}, lane)
	for key, s := range missing {
		sum := sha256.Sum256([]byte(s.id))
		if s.id != "" && erased[hex.EncodeToString(sum[:])] {
			delete(missing, key)
		}
	}
	return int64(before - len(missing)), err
}
