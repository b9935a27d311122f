package verify

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	"claude-analytics/internal/document"
)

// Document is one that a source holds.
type Document struct {
	// Namespace, ID and AlsoID, another id under which it may have been published (empty: none).
	Namespace, ID, AlsoID string
	// Raw is the document as the source would publish it, BSON; only when asked for.
	Raw []byte
}

// Source is one lane's source.
type Source interface {
	// Lane is its name, Description what it reads.
	Lane() string
	Description() string
	// Mirrors says that a document that is gone there is to go here too.
	Mirrors() bool
	// Documents hands over everything that the source holds and that its position in the stream covers, content as well
	// or not, and returns how many there are that it does not cover yet. What is handed over is good until fn returns.
	// ErrNotYet means that there is nothing to compare yet.
	Documents(ctx context.Context, content bool, fn func(Document) error) (ahead int64, err error)
}

// ErrNotYet is of a source that is still being read for the first time.
var ErrNotYet = errors.New("the source is still being read for the first time")

const (
	// maxSuspects is how many keys that differ are looked at again; of more only the number is known.
	maxSuspects = 100_000
	// looks is how often what differs is looked at, each time after the pipeline has caught up.
	looks = 3
)

// sources compares each source with what lake and warehouse know.
func (r *run) sources(ctx context.Context) error {
	lanes, err := r.otherLanes(ctx)
	if err != nil {
		return err
	}
	if len(r.parts.Sources)+len(lanes) == 0 || r.parts.Stream == nil {
		return r.level(ctx, LevelSource, func(_ context.Context, l *Level) error {
			l.skip(r.parts.Missing[LevelSource])
			return nil
		})
	}
	for _, lane := range lanes {
		if err := r.unseen(ctx, lane); err != nil {
			return err
		}
	}
	for _, s := range r.parts.Sources {
		err := r.level(ctx, LevelSource, func(ctx context.Context, l *Level) error {
			l.Name, l.Against = s.Lane(), "lake and warehouse"
			if r.farBehind {
				l.skip("the warehouse is far behind the stream")
				return nil
			}
			c := &sourceComparison{run: r, source: s, level: l}
			err := c.compare(ctx)
			if errors.Is(err, ErrNotYet) {
				l.skip(err.Error())
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sourceComparison is one source's.
type sourceComparison struct {
	*run
	source Source
	level  *Level
	// versions are the rules of redaction that rows of the lane were published under.
	versions []uint32
	// namespaces are those that the source handed over.
	namespaces map[string]bool
	documents  int64
	ahead      int64
	aside      int64 // of dates that retention has removed
	suspects   suspects
}

// suspects are the keys that differ, by kind: so far, and in the last look.
type suspects map[string]map[uint64]*suspect

// suspect is a key that differs. Of a document of the source there is more to say than of a row.
type suspect struct {
	id   string
	date time.Time
}

func (c *sourceComparison) compare(ctx context.Context) error {
	if c.deep {
		if err := c.readVersions(ctx); err != nil {
			return err
		}
	}
	for look := range looks {
		if look > 0 && c.cfg.Settle != nil {
			if err := c.cfg.Settle(ctx); err != nil {
				return err
			}
		}
		if err := c.readSource(ctx); err != nil {
			return err
		}
		if err := c.present(ctx); err != nil {
			return err
		}
		found, over, err := c.differing(ctx)
		if err != nil {
			return err
		}
		if over != nil {
			// So many cannot come of what moves meanwhile.
			c.level.differ(*over)
			break
		}
		c.keep(found, look)
		if c.none() || look > 0 && (c.cfg.Settle == nil || look == looks-1) {
			break
		}
	}
	c.level.count("documents", c.documents)
	if c.ahead > 0 {
		c.level.note(fmt.Sprintf("%d documents are not published yet: %sextract", c.ahead, program))
	}
	if c.aside > 0 {
		c.level.note(fmt.Sprintf("%d documents are older than what `gc --older-than` has left (%s), and not missed", c.aside, c.folder.Retained.Format(time.DateOnly)))
	}
	if err := c.left(ctx); err != nil {
		return err
	}
	return c.tell(ctx)
}

// keep leaves of the suspects those that differ still. Those of the first look are named by the second.
func (c *sourceComparison) keep(found suspects, look int) {
	if look == 0 {
		c.suspects = found
		return
	}
	for kind, keys := range c.suspects {
		for key := range keys {
			if _, still := found[kind][key]; !still {
				delete(keys, key)
			}
		}
	}
}

func (c *sourceComparison) none() bool {
	for _, keys := range c.suspects {
		if len(keys) > 0 {
			return false
		}
	}
	return true
}

// readVersions reads under which rules documents of the lane were published.
func (c *sourceComparison) readVersions(ctx context.Context) error {
	return c.each(ctx, "read the rules of redaction", `SELECT DISTINCT rules FROM verify_newest WHERE op = 1`, func(scan func(...any) error) error {
		var version int32
		if err := scan(&version); err != nil {
			return err
		}
		c.versions = append(c.versions, uint32(version))
		return nil
	})
}

// readSource fills verify_source, and says more of those documents that are suspects.
func (c *sourceComparison) readSource(ctx context.Context) error {
	if err := c.exec(ctx, "make room", "DELETE FROM verify_source"); err != nil {
		return err
	}
	c.namespaces, c.documents = map[string]bool{}, 0
	rows := c.fill(ctx, "verify_source")
	suspected := !c.none()
	lane := c.source.Lane()
	dated := !c.folder.Retained.IsZero()
	aside := int64(0)
	ahead, err := c.source.Documents(ctx, c.deep || suspected || dated, func(d Document) error {
		c.documents++
		if !c.namespaces[d.Namespace] {
			c.namespaces[strings.Clone(d.Namespace)] = true
		}
		key := c.cfg.Key(lane, d.ID)
		var also driver.Value
		if d.AlsoID != "" {
			also = c.cfg.Key(lane, d.AlsoID)
		}
		old := dated && c.retained(asChange(lane, d))
		if old {
			aside++
		}
		if suspected {
			c.describe(key, d)
		}
		c.cfg.Progress("source "+lane, c.documents, 0)
		if !c.deep {
			return rows.add(key, also, nil, nil, old)
		}
		for _, version := range c.versions {
			raw, known := c.cfg.Normalize(d.Raw, version)
			if !known {
				continue
			}
			if err := rows.add(key, also, contentHash(raw, !c.source.Mirrors()), int32(version), old); err != nil {
				return err
			}
		}
		if len(c.versions) == 0 {
			return rows.add(key, also, nil, nil, old)
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.ahead, c.aside = ahead, aside
	return rows.flush()
}

// describe keeps what is to be said of a suspect.
func (c *sourceComparison) describe(key uint64, d Document) {
	for _, keys := range c.suspects {
		s := keys[key]
		if s == nil || s.id != "" {
			continue
		}
		s.id = strings.Clone(d.ID)
		row, _, err := document.Convert(asChange(c.source.Lane(), d), 0, 0)
		if err == nil {
			s.date = dayOf(int64(row.Date))
		}
	}
}

// differing finds the keys that differ now. over is told in place of more than maxSuspects of a kind.
func (c *sourceComparison) differing(ctx context.Context) (found suspects, over *Difference, err error) {
	found = suspects{}
	// One step after the other, each an anti join on one key: DuckDB spills that, and the first leaves next to nothing.
	if err := c.exec(ctx, "compare the source", `CREATE OR REPLACE TEMP TABLE verify_missing AS
		SELECT DISTINCT k, k2 FROM verify_source s ANTI JOIN raw.conversations c ON c._key = s.k WHERE NOT old`); err != nil {
		return nil, nil, err
	}
	queries := []struct{ kind, from string }{
		{KindDocumentMissing, `FROM verify_missing s ANTI JOIN raw.conversations c ON c._key = s.k2
			ANTI JOIN (SELECT k FROM verify_newest WHERE op = 1) n ON n.k = s.k ANTI JOIN (SELECT k FROM verify_newest WHERE op = 1) n2 ON n2.k = s.k2
			ANTI JOIN verify_tail t ON t.k = s.k ANTI JOIN verify_tail t2 ON t2.k = s.k2`},
	}
	if c.source.Mirrors() && !c.cfg.KeepDeleted {
		for namespace := range c.namespaces {
			queries = append(queries, struct{ kind, from string }{KindDocumentExtra, fmt.Sprintf(`
				FROM (SELECT _key AS k FROM raw.conversations WHERE source = %s AND namespace = %s) s
				ANTI JOIN verify_source d ON d.k = s.k ANTI JOIN verify_tail t ON t.k = s.k`, literal(c.source.Lane()), literal(namespace))})
		}
	}
	if c.deep && c.lakeRead {
		queries = append(queries, struct{ kind, from string }{KindContent, `FROM verify_source s JOIN verify_newest n ON n.k = s.k AND n.op = 1 AND n.rules = s.rules
			WHERE n.h IS DISTINCT FROM s.h AND NOT EXISTS (FROM verify_tail t WHERE t.k = s.k)
			AND NOT EXISTS (FROM raw.conversations c WHERE c._key = s.k AND ` + bronzeOrd + ` > n.ord)`})
	}
	for _, q := range queries {
		count, err := c.number(ctx, "compare the source", "SELECT count(*) "+q.from)
		if err != nil {
			return nil, nil, err
		}
		if count > maxSuspects {
			d := c.difference(q.kind, count)
			return nil, &d, nil
		}
		if count == 0 {
			continue
		}
		keys := map[uint64]*suspect{}
		err = c.each(ctx, "compare the source", "SELECT s.k "+q.from, func(scan func(...any) error) error {
			var key uint64
			if err := scan(&key); err != nil {
				return err
			}
			keys[key] = &suspect{}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
		found[q.kind] = keys
	}
	return found, nil, nil
}

func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
