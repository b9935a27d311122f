package verify

import (
	"fmt"
	"path/filepath"
	"time"
)

// Kinds of differences.
const (
	KindDocumentMissing = "document_missing" // the source holds it, nothing behind it does
	KindDocumentExtra   = "document_extra"   // it was deleted at the source, and is still here
	KindContent         = "content_differs"  // the same key, another content

	KindStreamHole = "stream_hole" // the lake holds a change that the stream has lost

	KindFileMissing     = "file_missing"
	KindFileDamaged     = "file_damaged"
	KindEntryUnreadable = "entry_unreadable"
	KindEntryLost       = "entry_lost"
	KindBatchUnfinished = "batch_unfinished"
	KindFileForeign     = "file_foreign"
	KindLakeHole        = "lake_hole" // the stream or the warehouse holds a change that the lake does not

	KindRowMissing  = "row_missing"
	KindRowTwice    = "row_twice"
	KindRowStale    = "row_stale"   // the lake holds a newer version
	KindRowDeleted  = "row_deleted" // the lake holds a newer delete
	KindRowDiffers  = "row_differs" // the row is not what its document converts to
	KindBlocks      = "blocks_differ"
	KindOldRules    = "old_rules" // converted by older rules
	KindMartDiffers = "mart_differs"
)

const program = "claude-analytics "

// Commands of repair. Everything that this package prints stands here, so that it can be read, and tested, in one place.
type commands struct {
	// lakeDir is the lake's folder.
	lakeDir string
}

// rows repairs rows of the warehouse whose changes the stream or the lake holds. Replay applies by order, so it mends
// what is missing or older; what stands twice or above its own delete only a rebuild mends.
func (commands) rows(kind string, from, to uint64) string {
	if from > 0 && (kind == KindRowMissing || kind == KindRowStale || kind == KindOldRules) {
		return fmt.Sprintf(program+"replay --from-seq %d --to-seq %d", from, to)
	}
	return program + "load --full-refresh && " + program + "transform"
}

// lake repairs the lake's folder: entries from their files, files from the stream, else from the warehouse's documents.
func (commands) lake() string { return program + "load --repair-lake" }

// foreign moves a file out of the lake.
func (c commands) foreign(path string) string {
	return fmt.Sprintf("mv %s .", filepath.Join(c.lakeDir, path))
}

// unfinished lets the next start tidy up and fetch again.
func (commands) unfinished() string { return program + "load" }

// source publishes documents again that lie in these days (UTC).
func (commands) source(first, last time.Time) string {
	again := program + "extract --full-backfill"
	if !first.IsZero() {
		again = fmt.Sprintf(program+"extract --since %s --until %s", first.Format(time.DateOnly), last.Format(time.DateOnly))
	}
	return again + " && " + program + "load && " + program + "transform"
}

// resnapshot reads a collection as a whole: its end takes out what is gone there.
func (commands) resnapshot() string {
	return program + "extract --full-backfill && " + program + "load && " + program + "transform"
}

// accept records holes that stay, so that they are known and no longer told.
func (commands) accept() string { return program + "verify --accept-gaps" }

// lakeElse is what there is to do about parts of the lake that neither stream nor warehouse holds: files have their own
// record, since the manifest names them.
func (c commands) lakeElse() string {
	return "what neither stream nor warehouse holds any more, the source may: " + program + "extract --full-backfill && " + program +
		"load; then record what is lost: " + c.lake() + " --accept-loss && " + c.accept()
}

// models computes a model anew, and what is computed from it.
func (commands) models(name string) string {
	return program + "transform --full-refresh --models " + name + "+"
}
