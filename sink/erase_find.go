package sink

import (
	"context"
	"fmt"
	"strings"

	"claude-analytics/proto"
	"claude-analytics/sink/bronze"
	"claude-analytics/sink/lake"
	"claude-analytics/sink/record"
)

// hasDocument says that a row of the lake carries one: its session and project are the document's.
func hasDocument(op proto.Operation, session, project string) bool {
	switch op {
	case proto.Operation_OPERATION_INSERT, proto.Operation_OPERATION_REPLACE, proto.Operation_OPERATION_SNAPSHOT:
		return true
	case proto.Operation_OPERATION_UPDATE:
		// One whose document was gone has neither.
		return session != "" || project != ""
	}
	return false
}

// eachKey reads what all rows of the lake are.
func (s *Sink) eachKey(ctx context.Context, fn func(record.KeyRow)) error {
	return s.eachKeyIn(ctx, func(_ string, row record.KeyRow) { fn(row) })
}

func (s *Sink) eachKeyIn(ctx context.Context, fn func(file string, row record.KeyRow)) error {
	opts := lake.ScanOptions{Columns: record.KeyColumns(), Optional: record.OptionalColumns()}
	_, err := s.lake.Scan(ctx, opts, func(chunk lake.Chunk) error {
		batch, err := record.OpenKeys(chunk.Rows)
		if err != nil {
			return fmt.Errorf("%w: %w", lake.ErrUnreadable, err)
		}
		for i := range batch.Rows() {
			row, err := batch.Row(i)
			if err != nil {
				return fmt.Errorf("%w: %w", lake.ErrUnreadable, err)
			}
			fn(chunk.Path, row)
		}
		return nil
	})
	return err
}

func orderOf(row record.KeyRow) bronze.Order { return bronze.Order{Epoch: row.Epoch, Seq: row.Seq} }

// findKeys fills the erasure's keys from the lake.
func (e *eraser) findKeys(ctx context.Context) error {
	if e.subject.Kind() == ErasureDeleted {
		return e.findDeleted(ctx)
	}
	err := e.eachKey(ctx, func(row record.KeyRow) {
		if hasDocument(row.Operation, row.Session, row.Project) && e.subject.is(row.Session, row.Project) && !e.upTo.Less(orderOf(row)) {
			e.keys.add(strings.Clone(row.Source), strings.Clone(row.ID))
		}
	})
	if err != nil {
		return err
	}
	// A document that has moved elsewhere, or was written again since, has versions that stay: what else is known of it stays too.
	return e.eachKey(ctx, func(row record.KeyRow) {
		mine := e.subject.is(row.Session, row.Project) && !e.upTo.Less(orderOf(row))
		if hasDocument(row.Operation, row.Session, row.Project) && !mine && e.keys.has(row.Source, row.ID) {
			e.others[docKey{strings.Clone(row.Source), strings.Clone(row.ID)}] = struct{}{}
		}
	})
}

// findDeleted finds the documents whose newest version is a delete, or lies below their namespace's end.
func (e *eraser) findDeleted(ctx context.Context) error {
	type namespace struct{ source, name string }
	fences := map[namespace]bronze.Order{}
	err := e.eachKey(ctx, func(row record.KeyRow) {
		at := orderOf(row)
		switch row.Operation {
		case proto.Operation_OPERATION_DELETE:
			key := docKey{strings.Clone(row.Source), strings.Clone(row.ID)}
			if e.deleted[key].Less(at) {
				e.deleted[key] = at
			}
		case proto.Operation_OPERATION_DROP, proto.Operation_OPERATION_SNAPSHOT_END:
			if row.Operation == proto.Operation_OPERATION_SNAPSHOT_END {
				if row.Below >= row.Seq || row.Below+1 < e.lake.Floor(row.Epoch) {
					return // it takes nothing out: item.toSnapshotEnd
				}
				at.Seq = row.Below
			}
			key := namespace{strings.Clone(row.Source), strings.Clone(row.Namespace)}
			if fences[key].Less(at) {
				fences[key] = at
			}
		}
	})
	if err != nil {
		return err
	}
	if len(fences) > 0 {
		err = e.eachKey(ctx, func(row record.KeyRow) {
			fence, ok := fences[namespace{row.Source, row.Namespace}]
			if at := orderOf(row); ok && hasDocument(row.Operation, row.Session, row.Project) && !fence.Less(at) {
				key := docKey{strings.Clone(row.Source), strings.Clone(row.ID)}
				if e.deleted[key].Less(fence) {
					e.deleted[key] = fence
				}
			}
		})
		if err != nil {
			return err
		}
	}
	err = e.eachKey(ctx, func(row record.KeyRow) {
		key := docKey{row.Source, row.ID}
		if at, ok := e.deleted[key]; ok && hasDocument(row.Operation, row.Session, row.Project) && at.Less(orderOf(row)) {
			delete(e.deleted, key) // it came back
		}
	})
	for key := range e.deleted {
		e.keys.add(key.source, key.id)
	}
	return err
}

// takes decides on a row of the lake.
func (e *eraser) takes(row record.KeyRow) bool {
	at := orderOf(row)
	if e.upTo.Less(at) || ofNamespace(row.Operation) {
		return false
	}
	document := hasDocument(row.Operation, row.Session, row.Project)
	if e.subject.Kind() == ErasureDeleted {
		end, ok := e.deleted[docKey{row.Source, row.ID}]
		return ok && row.Operation != proto.Operation_OPERATION_DELETE && at.Less(bronze.Order{Epoch: end.Epoch, Seq: end.Seq + 1})
	}
	if document {
		return e.subject.is(row.Session, row.Project)
	}
	return e.takesKey(row.Source, row.ID)
}

// takesKey says that nothing of a document stays, so that what has no content, a delete, goes too.
func (e *eraser) takesKey(source, id string) bool {
	if !e.keys.has(source, id) {
		return false
	}
	_, stays := e.others[docKey{source, id}]
	return !stays
}

func (e *eraser) eachKeyOfFile(ctx context.Context, fn func(file string, takes bool)) error {
	return e.eachKeyIn(ctx, func(file string, row record.KeyRow) { fn(file, e.takes(row)) })
}

// rewriteLake writes the files anew that hold something of the subject.
func (e *eraser) rewriteLake(ctx context.Context) error {
	var groups [][]string
	for _, entry := range e.lake.Entries() {
		for _, f := range entry.Files {
			groups = append(groups, []string{f.Path})
		}
	}
	done, err := e.lake.Rewrite(ctx, lake.RewriteOptions{
		Groups: groups, Columns: record.KeyColumns(), Optional: record.OptionalColumns(),
		Keep:     keepUnless(e.takes),
		Progress: e.counted("lake", int64(len(groups))),
	})
	e.done.Lake = done
	return err
}
