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
func (s *service) checkMongo(ctx context.Context) []finding {
	cfg := s.cfg
	if !cfg.Set("MONGO_URI") {
		return nil
	}
	published := s.publishedUpTo(ctx)
	var findings []finding
	for i, name := range cfg.MongoCollection {
		config := mongodb.Config{Lane: "doctor", URI: cfg.MongoURI, Database: cfg.MongoDB, Collection: name, MaxMessage: 1}
		f, probe := checkCollection(ctx, config)
		findings = append(findings, f)
		if probe.Server == "" || !f.OK {
			continue
		}
		if i == 0 && probe.Round > 0 {
			findings = append(findings, skewFinding("MongoDB", probe.Skew, probe.Round))
		}
		if at, known := published[config.Namespace()]; known {
			findings = append(findings, checkWindow(config.Namespace(), time.Since(at), probe.Window))
		}
	}
	return findings
}

// publishedUpTo asks the running service up to which moment each collection's changes have been published.
func (s *service) publishedUpTo(ctx context.Context) map[string]time.Time {
	var report statusReport
	if s.ready.Load() {
		report, _ = s.status(ctx)
	} else if service, err := live(ctx, s.cfg); err == nil {
		defer service.Close()
		report, _ = ask[statusReport](ctx, service, "status", struct{}{})
	}
	at := map[string]time.Time{}
	for _, source := range report.Sources {
		if c := source.Collection; c != nil && !c.Published.IsZero() {
			at[c.Namespace] = c.Published
		}
	}
	return at
}

// checkWindow compares how far a collection's lane is behind with how far back the server's history reaches.
func checkWindow(namespace string, lag, window time.Duration) finding {
	const id = "oplog-window"
	lag = max(lag, 0).Round(time.Second)
	if window <= 0 {
		return good(id, fmt.Sprintf("%s is published up to %s ago; how far back the server's history reaches may not be seen", namespace, lag))
	}
	seen := fmt.Sprintf("%s is published up to %s ago, the server's history reaches back %s", namespace, lag, window)
	const remedy = "let the source run, see what holds it up (claude-analytics status), and enlarge the oplog: " +
		"db.adminCommand({replSetResizeOplog: 1, size: MEGABYTES, minRetentionHours: 72})"
	switch {
	case lag > window/4*3:
		return bad(id, seen, remedy)
	case lag > window/4:
		return warn(id, seen, remedy)
	}
	return good(id, seen)
}

func checkCollection(ctx context.Context, cfg mongodb.Config) (finding, mongodb.Probe) {
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
		return finding{Check: name, Detail: problem, Remedy: setup.Remedy}, probe
	case err != nil:
		return finding{Check: name, Detail: cfg.Namespace() + ": " + err.Error(), Remedy: "see that MONGO_URI names the servers as this machine reaches them, and that they run; the service tries again by itself"}, probe
	}
	detail := fmt.Sprintf("%s can be followed: MongoDB %s, replica set %q, about %s documents", cfg.Namespace(), probe.Server, probe.Set, count(probe.Documents))
	if probe.Window > 0 {
		detail += fmt.Sprintf(", its history reaches back %s", probe.Window)
		if probe.Window < shortWindow {
			detail += " so far: a source that stops for longer than the server keeps it has to read everything again"
		}
	}
	return finding{Check: name, OK: true, Detail: detail}, probe
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
