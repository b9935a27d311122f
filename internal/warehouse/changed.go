package warehouse

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// Changes are the rows of the gold layer that a refresh replaced.
type Changes struct {
	// Refresh is its number in meta.refreshes.
	Refresh int64
	// All means that any row may have changed, or the tables themselves.
	All bool
	// Tables are those that changed, each once.
	Tables []TableChange
}

// TableChange says which rows of a table changed: those that hold, or held, one of some values of a column.
type TableChange struct {
	Table string
	// Whole means any row; the rest is empty then.
	Whole  bool
	Column Column
	Values []string // as DuckDB writes them as text
	Null   bool
}

// MaxChanged is how many values of a table's column are followed up. Beyond that a copy of everything is the shorter way.
const MaxChanged = 5000

// changedRows are the values of a table's column whose rows changed.
type changedRows struct {
	whole  bool
	column Column
	values map[string]bool
	null   bool
}

func (c *changedRows) add(t TableChange) {
	if t.Whole || c.values != nil && c.column != t.Column {
		c.whole = true
		return
	}
	if c.values == nil {
		c.values = map[string]bool{}
	}
	c.column, c.null = t.Column, c.null || t.Null
	for _, v := range t.Values {
		c.values[v] = true
	}
}

// where is the condition that a row holds one of the values.
func (c *changedRows) where() string {
	return c.column.HoldsOneOf(slices.Sorted(maps.Keys(c.values)), c.null)
}

const (
	// maxEntries is how many refreshes are kept apart; with more between two copies something is wrong with copying.
	maxEntries = 1000
	// announcement is how long a refresh may take to say what it changed after others see that it did.
	announcement = 5 * time.Second
)

// changeLog is what refreshes have changed since the published copy was made.
type changeLog struct {
	mu      sync.Mutex
	news    chan struct{} // closed when an entry comes
	known   bool          // what the copy holds, and everything since
	holds   int64         // the refresh that the copy shows
	entries []Changes     // in the order of the refreshes
	doubts  int           // how often the copy was found to be of no use
}

// add takes what a refresh changed.
func (l *changeLog) add(c Changes) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) >= maxEntries {
		l.entries = nil
		c = Changes{Refresh: c.Refresh, All: true}
	}
	l.entries = append(l.entries, c)
	if l.news != nil {
		close(l.news)
		l.news = nil
	}
}

// doubt makes the next copy a whole one, also if one is being made now.
func (l *changeLog) doubt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known = false
	l.doubts++
}

// begin gives what published must be told.
func (l *changeLog) begin() (doubts int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.doubts
}

// published says that the copy shows this refresh now.
func (l *changeLog) published(refresh int64, doubts int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = slices.Clone(l.entries[l.upTo(refresh):])
	l.known, l.holds = doubts == l.doubts, refresh
}

// upTo counts the entries until that of a refresh; 0 if it has none.
func (l *changeLog) upTo(refresh int64) int {
	for i := len(l.entries) - 1; i >= 0; i-- {
		if l.entries[i].Refresh == refresh {
			return i + 1
		}
	}
	return 0
}

// since joins what changed from the refresh that the copy shows until another, which everybody can see already. It waits for
// that refresh to say what it changed. ok is false if a copy of everything is to be made.
func (l *changeLog) since(ctx context.Context, refresh int64) (holds int64, changed map[string]*changedRows, ok bool) {
	for patience := time.After(announcement); ; {
		l.mu.Lock()
		if !l.known {
			l.mu.Unlock()
			return 0, nil, false
		}
		if n := l.upTo(refresh); n > 0 || refresh == l.holds {
			defer l.mu.Unlock()
			changed, ok = join(l.entries[:n])
			return l.holds, changed, ok
		}
		if l.news == nil {
			l.news = make(chan struct{})
		}
		news := l.news
		l.mu.Unlock()
		select {
		case <-news:
		case <-patience:
			return 0, nil, false
		case <-ctx.Done():
			return 0, nil, false
		}
	}
}

func join(entries []Changes) (changed map[string]*changedRows, ok bool) {
	changed = map[string]*changedRows{}
	for _, entry := range entries {
		if entry.All {
			return nil, false
		}
		for _, t := range entry.Tables {
			rows := changed[t.Table]
			if rows == nil {
				rows = &changedRows{}
				changed[t.Table] = rows
			}
			if rows.add(t); len(rows.values) > MaxChanged {
				return nil, false
			}
		}
	}
	return changed, true
}
