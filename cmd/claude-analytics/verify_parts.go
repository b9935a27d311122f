package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/rs/zerolog"

	"claude-analytics/ingest"
	"claude-analytics/internal/document"
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

// newVerification hands the parts to a verifier. missing says why there is no source, noStream why there is no stream.
func (s *service) newVerification(from sources, missing, noStream string, progress func(string, int64, int64)) (*verification, error) {
	parts := verify.Parts{
		Warehouse: s.db, Lake: verifyLake{lake.New(lake.Config{Dir: s.cfg.LakeDir()}, zerolog.Nop())},
		Missing: map[string]string{verify.LevelSource: missing, verify.LevelStream: noStream},
	}
	if noStream == "" {
		parts.Stream = s.conn
	}
	parts.Marts = verifyMarts{s.modeler}
	if noStream == "" && missing == "" {
		lanes, err := from.lanes(s.cfg, serviceOptions{})
		if err != nil {
			return nil, err
		}
		for _, lane := range lanes {
			parts.Sources = append(parts.Sources, verifySource{ingest.NewSurvey(lane, s.conn, s.log)})
		}
	} else if missing == "" {
		parts.Missing[verify.LevelSource] = "without the stream nobody knows what of it was published"
	}
	v := &verification{service: s}
	v.Verifier = verify.New(verify.Config{
		Key: bronze.Key, KeepDeleted: s.cfg.OnDelete == "keep", Replay: hasCommand("Replay"),
		RuleVersion: document.RuleVersion, Progress: progress,
	}, parts, s.log)
	return v, nil
}

// run verifies.
func (v *verification) run(ctx context.Context, request verifyRequest) (verify.Report, error) {
	return v.Run(ctx, request.Deep)
}

// hasCommand is whether the program has a command, by its field's name.
func hasCommand(field string) bool {
	_, ok := reflect.TypeFor[cli]().FieldByName(field)
	return ok
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
