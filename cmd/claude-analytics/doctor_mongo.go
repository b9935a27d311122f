package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"claude-analytics/ingest"
	"claude-analytics/ingest/mongodb"
	"claude-analytics/internal/config"
)

// shortWindow is how far back a server's history should reach at least: a weekend.
const shortWindow = 72 * time.Hour

// checkMongo looks whether each collection can be followed. A MongoDB that nobody named is not looked for.
func checkMongo(ctx context.Context, cfg config.Loaded) []finding {
	if !cfg.Set("MONGO_URI") {
		return nil
	}
	var findings []finding
	for _, name := range cfg.MongoCollection {
		findings = append(findings, checkCollection(ctx, mongodb.Config{
			Lane: "doctor", URI: cfg.MongoURI, Database: cfg.MongoDB, Collection: name, MaxMessage: 1,
		}))
	}
	return findings
}

func checkCollection(ctx context.Context, cfg mongodb.Config) finding {
	const name = "mongodb"
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	probe, err := mongodb.Examine(ctx, cfg, nil, nil)
	var setup *mongodb.SetupError
	switch {
	case errors.As(err, &setup):
		problem := cfg.Namespace() + ": " + setup.Problem
		if setup.Err != nil {
			problem += ": " + setup.Err.Error()
		}
		return finding{Check: name, Detail: problem, Remedy: setup.Remedy}
	case err != nil:
		return finding{Check: name, Detail: cfg.Namespace() + ": " + err.Error(), Remedy: "see that MONGO_URI names the servers as this machine reaches them, and that they run; the service tries again by itself"}
	}
	detail := fmt.Sprintf("%s can be followed: MongoDB %s, replica set %q, about %s documents", cfg.Namespace(), probe.Server, probe.Set, count(probe.Documents))
	if probe.Window > 0 {
		detail += fmt.Sprintf(", its history reaches back %s", probe.Window)
		if probe.Window < shortWindow {
			detail += " so far: a source that stops for longer than the server keeps it has to read everything again"
		}
	}
	return finding{Check: name, OK: true, Detail: detail}
}

// gapsSQL are the gaps of the sources, newest first. A snapshot that ended later has closed one: its fence is the
// tombstone of the namespace.
const gapsSQL = `WITH gaps AS (
		SELECT *, EXISTS (FROM raw.tombstones t WHERE t.source = g.source AND t.namespace = g.namespace AND t._id IS NULL
			AND (t._epoch, t._seq) > (g._epoch, g._seq)) AS closed
		FROM meta.gaps g WHERE kind = 'source')
	SELECT concat_ws(' ', 'lane', source || ':', reason, 'at', found_at::VARCHAR, '(changes since ' || from_at::VARCHAR || ' are missing)',
		CASE WHEN closed THEN 'and was read again as a whole' WHEN action = 'resnapshot' THEN 'and is being read again' ELSE 'and went on from then' END) AS gap,
		closed OR action = 'resnapshot' AS ok
	FROM gaps ORDER BY found_at DESC LIMIT 5`

// checkGaps tells of the parts of the sources' history that are missing. One that was read again is no fault any more.
func (s *service) checkGaps(ctx context.Context) []finding {
	request := queryRequest{SQL: gapsSQL, Limit: 5, Timeout: "10s", Raw: true}
	ask := func() (queryAnswer, error) { return queryAnywhere(ctx, s.cfg, disabledLogger, request) }
	if s.db != nil {
		ask = func() (queryAnswer, error) { return runQuery(ctx, s.db, request) }
	}
	answer, err := ask()
	if err != nil {
		return nil // no warehouse yet, or one of an older release: the other checks tell what is wrong with it
	}
	var findings []finding
	for _, row := range answer.Rows {
		values := texts(row, "")
		f := finding{Check: "history", OK: values[1] == "true", Detail: values[0]}
		if !f.OK {
			f.Remedy = "claude-analytics extract --full-backfill, or --since and --until for a part of it (the service must be stopped meanwhile)"
		}
		findings = append(findings, f)
	}
	return findings
}

// checkHistory tells of lanes that ended since the history of their source is lost.
func checkHistory(cfg config.Loaded) []finding {
	lost, err := ingest.NewIdentity(cfg.IdentityPath()).Lost()
	if err != nil {
		return []finding{{Check: "source", Detail: err.Error(), Remedy: "restore the file from a backup, or remove it: sources then begin as new ones"}}
	}
	var findings []finding
	for lane, what := range lost {
		findings = append(findings, finding{
			Check: "source", Detail: fmt.Sprintf("lane %s has stopped at %s", lane, what),
			Remedy: "start once with HISTORY_LOST=resnapshot",
		})
	}
	return findings
}
