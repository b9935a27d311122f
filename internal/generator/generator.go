// Package generator makes realistic Claude Code transcripts: seeded, after the distributions that were measured on real
// ones, with the truth about what they hold written beside them. With Config.Hard it adds every edge case that a reader
// has to survive.
package generator

import (
	"fmt"
	"time"
)

// Config says what to generate. The same Config gives the same bytes.
type Config struct {
	Sessions int    // sessions with a start, when Bytes and Objects are 0; 0 = 100. Hard's cases add a few more
	Seed     uint64 // everything is derived from it
	Hard     bool   // add every edge case
	Secrets  bool   // plant a secret of every kind, in every place
	BigLines bool   // with Hard: one line of 17 MB
	Bytes    int64  // go on, session by session, until the transcripts have at least this size; 0 = by Sessions
	Objects  int64  // go on, session by session, until there are at least this many objects; 0 = by Bytes or Sessions
	Projects int    // 0 = by the number of sessions

	// Start and End bound the timestamps; older sessions ran older versions. Zero: a fixed window of eighteen months,
	// so that the same seed gives the same bytes on any day.
	Start, End time.Time

	Rate float64 // lines a second when writing live; 0 = as fast as possible
}

// Generator makes transcripts after one Config.
type Generator struct {
	cfg      Config
	tools    weighted[*tool]
	projects weighted[*project]
}

// New prepares a generator; it writes nothing. It fails on a Config that cannot be met.
func New(cfg Config) (*Generator, error) {
	if cfg.End.IsZero() {
		cfg.End = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	}
	if cfg.Start.IsZero() {
		cfg.Start = cfg.End.AddDate(0, -18, 0)
	}
	switch {
	case cfg.Sessions < 0 || cfg.Bytes < 0 || cfg.Objects < 0 || cfg.Projects < 0 || cfg.Rate < 0:
		return nil, fmt.Errorf("generator: negative numbers: sessions %d, bytes %d, objects %d, projects %d, rate %g",
			cfg.Sessions, cfg.Bytes, cfg.Objects, cfg.Projects, cfg.Rate)
	case !cfg.Start.Before(cfg.End):
		return nil, fmt.Errorf("generator: start %s is not before end %s", cfg.Start.Format(time.RFC3339), cfg.End.Format(time.RFC3339))
	}
	cfg.Start, cfg.End = cfg.Start.UTC(), cfg.End.UTC()
	if cfg.Sessions == 0 {
		cfg.Sessions = 100
	}
	if cfg.Projects == 0 {
		sessions := cfg.Sessions
		switch {
		case cfg.Bytes > 0:
			sessions = int(cfg.Bytes / 500_000)
		case cfg.Objects > 0:
			sessions = int(cfg.Objects / 200)
		}
		cfg.Projects = min(max(sessions/12, 3), 60)
	}
	g := &Generator{cfg: cfg, tools: newToolbox()}
	for i := range cfg.Projects {
		p := newProject(cfg.Seed, i)
		g.projects.add(p, p.weight)
	}
	return g, nil
}
