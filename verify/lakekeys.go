package verify

import (
	"context"
	"database/sql/driver"
	"fmt"
	"hash/maphash"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/cespare/xxhash/v2"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// What a row of the lake, or a message of the stream, was.
const (
	opOther  = 0 // a gap
	opRow    = 1
	opDelete = 2
	opFence  = 3
	// opEither is an update of which the key columns do not tell whether it carried a document: those without one change
	// nothing, and a delete follows them.
	opEither = 4
)

// texts and binaries are what the layouts of text and binary arrays share.
type (
	texts interface {
		Value(int) string
		IsNull(int) bool
	}
	binaries interface {
		Value(int) []byte
		IsNull(int) bool
	}
)

// lakeBatch are the columns of the lake that are compared.
type lakeBatch struct {
	id, source, namespace, operation, kind, session texts
	epoch, seq                                      *array.Int64
	date                                            *array.Date32
	below                                           *array.Int64 // nil: an older file
	document                                        binaries     // nil: not deep
	offset                                          *array.Int64
	rules                                           *array.Int32
}

var (
	lakeColumns     = []string{"_id", "source", "namespace", "_epoch", "_seq", "date", "operation", "type", "session_id", "redaction_version"}
	lakeOptional    = []string{"below"}
	lakeDeepColumns = []string{"doc_raw", "source_offset"}
)

func openBatch(batch arrow.RecordBatch, deep bool) (b lakeBatch, err error) {
	column := func(name string, into any, required bool) {
		at := batch.Schema().FieldIndices(name)
		if len(at) != 1 {
			if required && err == nil {
				err = fmt.Errorf("the file has %d columns named %s", len(at), name)
			}
			return
		}
		ok := false
		switch into := into.(type) {
		case *texts:
			*into, ok = batch.Column(at[0]).(texts)
		case *binaries:
			*into, ok = batch.Column(at[0]).(binaries)
		case **array.Int64:
			*into, ok = batch.Column(at[0]).(*array.Int64)
		case **array.Int32:
			*into, ok = batch.Column(at[0]).(*array.Int32)
		case **array.Date32:
			*into, ok = batch.Column(at[0]).(*array.Date32)
		}
		if !ok && err == nil {
			err = fmt.Errorf("column %s is of type %s", name, batch.Column(at[0]).DataType())
		}
	}
	column("_id", &b.id, true)
	column("source", &b.source, true)
	column("namespace", &b.namespace, true)
	column("operation", &b.operation, true)
	column("type", &b.kind, true)
	column("session_id", &b.session, true)
	column("_epoch", &b.epoch, true)
	column("_seq", &b.seq, true)
	column("date", &b.date, true)
	column("redaction_version", &b.rules, true)
	column("below", &b.below, false)
	column("doc_raw", &b.document, deep)
	column("source_offset", &b.offset, deep)
	return b, err
}

// op says what row i was.
func (b *lakeBatch) op(i int) uint8 {
	switch b.operation.Value(i) {
	case "insert", "replace", "snapshot":
		return opRow
	case "update":
		if b.session.IsNull(i) && b.kind.Value(i) == "unknown" {
			return opEither
		}
		return opRow
	case "delete":
		return opDelete
	case "drop", "snapshot_end":
		return opFence
	}
	return opOther
}

// fence is up to which order row i emptied its namespace.
func (b *lakeBatch) fence(i int) int64 {
	if b.operation.Value(i) == "snapshot_end" && b.below != nil && !b.below.IsNull(i) {
		return ord(uint64(b.epoch.Value(i)), uint64(b.below.Value(i)))
	}
	return ord(uint64(b.epoch.Value(i)), uint64(b.seq.Value(i)))
}

// readLake fills verify_lake and verify_fences.
func (r *run) readLake(ctx context.Context) error {
	var total int64
	for _, b := range r.folder.Batches {
		total += b.Rows
	}
	rows, fences := r.fill(ctx, "verify_lake"), r.fill(ctx, "verify_fences")
	columns := lakeColumns
	if r.deep {
		columns = append(append([]string{}, columns...), lakeDeepColumns...)
	}
	found, err := r.parts.Lake.Scan(ctx, r.folder, r.bad, columns, lakeOptional, func(batch arrow.RecordBatch) error {
		b, err := openBatch(batch, r.deep)
		if err != nil {
			return err
		}
		for i := range int(batch.NumRows()) {
			if err := r.lakeRow(&b, i, rows, fences); err != nil {
				return err
			}
		}
		r.cfg.Progress("lake: rows", rows.total, total)
		return nil
	})
	if err != nil {
		return err
	}
	r.folder.Findings = append(r.folder.Findings, found...)
	if err := rows.flush(); err != nil {
		return err
	}
	return fences.flush()
}

func (r *run) lakeRow(b *lakeBatch, i int, rows, fences *filling) error {
	source := b.source.Value(i)
	at, op := ord(uint64(b.epoch.Value(i)), uint64(b.seq.Value(i))), b.op(i)
	ns := namespaceKey(source, b.namespace.Value(i))
	if op == opFence {
		if err := fences.add(ns, b.fence(i), at); err != nil {
			return err
		}
	}
	var content driver.Value
	if b.document != nil && !b.document.IsNull(i) {
		content = contentHash(b.document.Value(i), !b.offset.IsNull(i))
	}
	return rows.add(r.cfg.Key(source, b.id.Value(i)), at, op, int32(b.date.Value(i)), ns, content, b.rules.Value(i))
}

func namespaceKey(source, namespace string) uint64 {
	return xxhash.Sum64String(source + "\x00" + namespace)
}

// seed makes content hashes of one process comparable.
var seed = maphash.MakeSeed()

// contentHash is of a document's bytes. A transcript's object gets the moment of its publication as ingestedAt, which
// differs each time it is read, so that field is left out of it.
func contentHash(raw []byte, transcript bool) uint64 {
	if !transcript {
		return maphash.Bytes(seed, raw)
	}
	elements, err := bson.Raw(raw).Elements()
	if err != nil {
		return maphash.Bytes(seed, raw)
	}
	var h maphash.Hash
	h.SetSeed(seed)
	for _, e := range elements {
		if e.Key() != "ingestedAt" {
			_, _ = h.Write(e)
		}
	}
	return h.Sum64()
}
