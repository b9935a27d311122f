package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/rs/zerolog"

	"claude-analytics/ingest"
	"claude-analytics/internal/document"
	"claude-analytics/internal/redact"
	"claude-analytics/internal/stream"
	"claude-analytics/modeler"
	"claude-analytics/sink/bronze"
	"claude-analytics/sink/lake"
	"claude-analytics/verify"
)

// verification is the verifier with the service's parts.
type verification struct {
	*verify.Verifier
	service *service
}

// newVerification hands the parts to a verifier. noSource says why there is no source, noStream why there is no stream.
func (s *service) newVerification(surveys []*ingest.Survey, noSource, noStream string, progress func(string, int64, int64)) *verification {
	parts := verify.Parts{
		Warehouse: s.db, Lake: verifyLake{lake.New(lake.Config{Dir: s.cfg.LakeDir()}, zerolog.Nop())}, Marts: verifyMarts{s.modeler},
		Missing: map[string]string{verify.LevelSource: noSource, verify.LevelStream: noStream},
		// Others publish to a bus of their own; and a service was told what to follow.
		Elsewhere: s.cfg.NATSURL != "" || s.roles.sink,
	}
	if noStream == "" {
		parts.Stream = s.conn
	}
	for _, survey := range surveys {
		parts.Sources = append(parts.Sources, verifySource{survey})
	}
	cfg := verify.Config{
		Key: bronze.Key, KeepDeleted: s.cfg.OnDelete == "keep", LakeDir: s.cfg.LakeDir(),
		RuleVersion: document.RuleVersion, Progress: progress,
	}
	if rules, err := loadRules(s.cfg); err != nil {
		s.log.Warn().Err(err).Msg("documents that were published with secrets replaced are not compared by content")
	} else {
		cfg.Normalize = normalize(rules)
	}
	if s.roles.sink {
		cfg.Live, cfg.Settle = true, s.settle
	}
	return &verification{Verifier: verify.New(cfg, parts, s.log), service: s}
}

// normalize makes a source's document what it is published as; false if that was by other rules than today's.
func normalize(rules *redact.Rules) func(raw []byte, version uint32) ([]byte, bool) {
	return func(raw []byte, version uint32) ([]byte, bool) {
		switch {
		case version == 0:
			return raw, true
		case rules == nil || rules.Version() != version:
			return nil, false
		}
		published, _ := rules.Document(raw)
		return published, true
	}
}

// run verifies; what is to be accepted is recorded afterwards, and looked at once more.
func (v *verification) run(ctx context.Context, request verifyRequest) (verify.Report, error) {
	report, err := v.Run(ctx, request.Deep)
	if err != nil || !request.AcceptGaps {
		return report, err
	}
	var gaps []bronze.StreamGap
	for level, ranges := range report.Gaps() {
		for _, r := range ranges {
			gaps = append(gaps, bronze.StreamGap{
				Destination: level, Epoch: r.Epoch, From: r.From, To: r.To, Found: time.Now().UTC(),
				Reason: "found by verify, and accepted",
			})
		}
	}
	if len(gaps) == 0 {
		return report, nil
	}
	if err := v.service.sink.Bronze().RecordGaps(ctx, gaps); err != nil {
		return report, fmt.Errorf("accept gaps: %w", err)
	}
	return v.Run(ctx, request.Deep)
}

// verifyMarts are the models as a verifier compares them.
type verifyMarts struct{ *modeler.Modeler }

// Compare translates what the modeler found.
func (m verifyMarts) Compare(ctx context.Context, limit int64, seen func(done, of int64)) (verify.MartResult, error) {
	found, err := m.Modeler.Compare(ctx, limit, seen)
	if errors.Is(err, modeler.ErrNotBuilt) {
		err = fmt.Errorf("%w: %w", verify.ErrNotBuilt, err)
	}
	result := verify.MartResult{Models: found.Models, Skipped: found.Skipped, Documents: found.Documents, Total: found.Total}
	for _, d := range found.Differences {
		result.Differences = append(result.Differences, verify.MartDifference(d))
	}
	return result, err
}

// verifySource is a lane's source as a verifier reads it.
type verifySource struct{ *ingest.Survey }

// Documents translates what the survey hands over.
func (s verifySource) Documents(ctx context.Context, content bool, fn func(verify.Document) error) (int64, error) {
	ahead, err := s.Survey.Documents(ctx, content, func(d ingest.Surveyed) error { return fn(verify.Document(d)) })
	if errors.Is(err, ingest.ErrUnfinished) {
		err = verify.ErrNotYet
	}
	return ahead, err
}

// verifyLake is the lake's folder as a verifier looks at it.
type verifyLake struct{ *lake.Lake }

// Inspect translates what the lake says of its folder.
func (l verifyLake) Inspect(ctx context.Context, whole bool, seen func(done, of int)) (verify.Folder, error) {
	found, err := l.Lake.Inspect(ctx, whole, seen)
	if err != nil {
		return verify.Folder{}, err
	}
	folder := verify.Folder{Files: found.Files, Bytes: found.Bytes}
	if before, err := l.Retained(ctx); err != nil {
		return verify.Folder{}, err
	} else if before != "" {
		if folder.Retained, err = time.Parse(time.DateOnly, before); err != nil {
			return verify.Folder{}, fmt.Errorf("read the date of the lake's retention: %w", err)
		}
	}
	for _, e := range found.Entries {
		b := verify.Batch{
			Stream: stream.Identity{Name: e.Stream.Name, Created: e.Stream.Created},
			Epoch:  e.Epoch, First: e.First, Last: e.Last, Seen: e.Seen, Rows: e.Rows(),
		}
		for _, f := range e.Files {
			b.Files = append(b.Files, f.Path)
		}
		folder.Batches = append(folder.Batches, b)
	}
	for _, f := range found.Findings {
		folder.Findings = append(folder.Findings, verify.Finding{
			Kind: f.Kind, Path: f.Path, Detail: f.Detail, Epoch: f.Epoch, First: f.First, Last: f.Last, Rows: f.Rows,
		})
	}
	return folder, nil
}

// Scan reads the folder's files; what cannot be read of them has been found by Inspect, or is found now.
func (l verifyLake) Scan(
	ctx context.Context, f verify.Folder, skip map[string]bool, columns, optional []string, fn func(arrow.RecordBatch) error,
) ([]verify.Finding, error) {
	var entries []lake.Entry
	at := map[string]verify.Batch{}
	for _, b := range f.Batches {
		e := lake.Entry{Epoch: b.Epoch, First: b.First, Last: b.Last}
		for _, path := range b.Files {
			e.Files = append(e.Files, lake.EntryFile{Path: path, Rows: -1})
			at[path] = b
		}
		entries = append(entries, e)
	}
	options := lake.ScanOptions{KeepGoing: true, Columns: columns, Optional: optional}
	faults, err := l.ScanEntries(ctx, entries, skip, options, func(c lake.Chunk) error { return fn(c.Rows) })
	var found []verify.Finding
	for _, fault := range faults {
		b := at[fault.Path]
		found = append(found, verify.Finding{
			Kind: verify.KindFileDamaged, Path: fault.Path, Detail: fault.Problem, Epoch: b.Epoch, First: b.First, Last: b.Last,
		})
	}
	return found, err
}
