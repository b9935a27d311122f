package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"claude-analytics/ingest"
	"claude-analytics/internal/config"
	"claude-analytics/internal/stream"
	"claude-analytics/sink/lake"
	"claude-analytics/verify"
)

// verifyCmd asks whether everything is there.
type verifyCmd struct {
	sourceFlags
	Deep       bool `help:"Compare content too: every document's bytes, every page of the lake, every row of the marts."`
	AcceptGaps bool `help:"Record what stream and lake have lost for good as known gaps, so that it is no longer told."`
	JSON       bool `help:"For programs."`
}

// Help says what is compared, and how to read the answer.
func (verifyCmd) Help() string {
	return "Compares source, stream, lake, warehouse and marts, and names every difference with the command that repairs it.\n" +
		"It changes nothing, but finishes a change of files in the lake that a kill cut off. Exit code 0: all is there; 3: something differs; 1: something could not be looked at.\n\n" +
		"  claude-analytics verify                    counts, sets of keys, checksums by date: what the service does hourly\n" +
		"  claude-analytics verify --deep             content too\n" +
		"  claude-analytics verify --json | jq '.levels[].differences[].repair'\n\n" +
		"A folder or collection is compared if it is named as for `up` (flags, settings, or the default folder)."
}

// verifyRequest is the body of a request to claude-analytics.verify.
type verifyRequest struct {
	Deep       bool `json:"deep,omitempty"`
	AcceptGaps bool `json:"accept_gaps,omitempty"`
}

// Run verifies.
func (c *verifyCmd) Run(ctx context.Context, e *env) error {
	cfg, log, err := e.startOnce(c.settings())
	if err != nil {
		return err
	}
	report, err := verifyAnywhere(ctx, e, cfg, log, verifyRequest{Deep: c.Deep, AcceptGaps: c.AcceptGaps})
	if err != nil {
		return err
	}
	if c.JSON {
		err = writeJSON(e.stdout, report)
	} else {
		printVerification(e, report)
	}
	switch {
	case err != nil:
		return err
	case !report.Clean():
		return fmt.Errorf("%w: %s differences", errCheckFailed, count(report.Differences))
	case report.Incomplete:
		return errors.New("not everything could be looked at")
	}
	return nil
}

func verifyAnywhere(ctx context.Context, e *env, cfg config.Loaded, log zerolog.Logger, request verifyRequest) (report verify.Report, err error) {
	service, err := live(ctx, cfg)
	switch {
	case err == nil:
		defer service.Close()
		return verifyLive(ctx, e, service, request)
	case !errors.Is(err, errNoService):
		return report, err
	}
	if _, err := os.Stat(cfg.WarehousePath()); err != nil {
		return report, fmt.Errorf("%w at %s: run `claude-analytics up` first", errNoWarehouse, cfg.WarehousePath())
	}
	s := newService(cfg, roles{command: "verify"}, log)
	defer func() { err = errors.Join(err, s.close()) }()
	noStream, err := s.openToLook(ctx)
	if err != nil {
		return report, err
	}
	surveys, missing, err := s.surveysOf(cfg, noStream)
	if err != nil {
		return report, err
	}
	progress := newBar(e.stderr, "verifying")
	defer progress.finish()
	v := s.newVerification(surveys, missing, noStream, func(_ string, done, of int64) { progress.set(done, max(done, of)) })
	report, err = v.run(ctx, request)
	if ctx.Err() != nil {
		return report, ctx.Err()
	}
	return report, errors.Join(err, s.keepVerification(ctx, report, err))
}

// streamWait is how long an external stream may take to answer a verification.
const streamWait = 5 * time.Second

// openToLook opens what a verification looks at, and nothing that is not there yet. A stream that cannot be had is no
// error: the rest can be compared.
func (s *service) openToLook(ctx context.Context) (noStream string, err error) {
	if _, err := s.takeLock(); err != nil {
		return "", err
	}
	// A change of files that a kill cut off is decided: half of it would look like damage.
	if unfinished, err := lake.New(lake.Config{Dir: s.cfg.LakeDir()}, s.log).Finish(); err != nil {
		s.log.Warn().Err(err).Msg("files of the lake are between two places, and may be told as missing")
	} else if unfinished {
		s.log.Warn().Msg("a change of files in the lake, which had been cut off, was finished")
	}
	s.conn = stream.New(stream.Config{
		URL: s.cfg.NATSURL, Creds: s.cfg.NATSCreds, Dir: s.cfg.StreamDir(), ConnectWait: streamWait, LeaveStreams: true,
	}, s.log)
	_, missing := os.Stat(s.cfg.StreamDir())
	switch {
	case s.cfg.NATSURL == "" && missing != nil:
		noStream = "there is no stream in " + s.cfg.DataDir
	default:
		if err := s.conn.Open(ctx); err != nil {
			if ctx.Err() != nil {
				return "", err
			}
			noStream = err.Error()
		}
	}
	return noStream, s.openWarehouse(ctx)
}

// surveysOf are what is compared as source: what up would read; else missing says why there is none.
func (s *service) surveysOf(cfg config.Loaded, noStream string) (surveys []*ingest.Survey, missing string, err error) {
	chosen, err := chooseSources(cfg)
	switch {
	case err != nil:
		return nil, err.Error(), nil //nolint:nilerr // it is told, and the rest is compared
	case noStream != "":
		return nil, "without the stream nobody knows what of it was published", nil
	}
	lanes, err := chosen.lanes(cfg, serviceOptions{})
	if err != nil {
		return nil, "", err
	}
	for _, lane := range lanes {
		surveys = append(surveys, ingest.NewSurvey(lane, s.conn, s.log))
	}
	return surveys, "", nil
}

func printVerification(e *env, r verify.Report) {
	t := table{head: []string{"level", "state", "looked at", "differences", "seconds"}, right: map[int]bool{3: true, 4: true}}
	for _, l := range r.Levels {
		name := l.Level
		if l.Name != "" {
			name += " " + l.Name
		}
		looked := make([]string, 0, len(l.Counts))
		for _, c := range l.Counts {
			looked = append(looked, count(c.Value)+" "+c.Name)
		}
		if l.Why != "" {
			looked = []string{l.Why}
		}
		var differ int64
		for _, d := range l.Differences {
			differ += max(d.Count, 1)
		}
		t.add(name, l.State, strings.Join(looked, ", "), count(differ), seconds(l.Seconds))
	}
	t.write(e.stdout)
	for _, l := range r.Levels {
		for _, note := range l.Notes {
			e.printf("note: %s: %s\n", l.Level, note)
		}
	}
	for _, l := range r.Levels {
		for _, d := range l.Differences {
			printDifference(e, d)
		}
	}
	if !r.Clean() {
		e.printf("\nRepair from the top: what stands further down is made of what stands above. Commands of load and extract want the service stopped;\n" +
			"extract takes the same --transcripts, --mongo-uri and --source as this command did.\n")
	}
	switch {
	case r.Incomplete && r.Clean():
		e.printf("\nNothing differs in what could be looked at (%s, %s s).\n", r.Mode, seconds(r.Seconds))
	case r.Clean():
		e.printf("\nNothing differs (%s, %s s).\n", r.Mode, seconds(r.Seconds))
	}
}

func printDifference(e *env, d verify.Difference) {
	where := ""
	if d.Where != "" {
		where = " in " + d.Where
	}
	e.printf("\n%s: %s, %s%s: %s\n", d.Level, d.Kind, count(d.Count), where, d.Detail)
	for _, example := range d.Examples {
		e.printf("    %s\n", example)
	}
	if more := d.Count - int64(len(d.Examples)); more > 0 && len(d.Examples) > 0 {
		e.printf("    … and %s more\n", count(more))
	}
	e.printf("  repair: %s\n", d.Repair)
	if d.Otherwise != "" {
		e.printf("  else:   %s\n", d.Otherwise)
	}
}
