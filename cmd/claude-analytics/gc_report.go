package main

import (
	"fmt"
	"strings"

	"claude-analytics/internal/warehouse"
	"claude-analytics/sink"
)

// gcReport is what a run did, or would do.
type gcReport struct {
	Mode   string `json:"mode"` // live or offline
	DryRun bool   `json:"dry_run"`
	// Swept are messages that the stream's retention removed; Compacted is what became of the lake's files.
	Swept     uint64          `json:"swept"`
	Compacted *sink.Compacted `json:"compacted,omitempty"`
	Retained  *sink.Retained  `json:"retained,omitempty"`
	Erased    *sink.Erased    `json:"erased,omitempty"`
	// Forgotten are rows of bookkeeping that mentioned it.
	Forgotten int64                `json:"forgotten"`
	Warehouse *warehouse.Rewritten `json:"warehouse,omitempty"`
	Files     removedFiles         `json:"files"`
	Notes     []string             `json:"notes,omitempty"`
	Seconds   float64              `json:"seconds"`
	// Phase is the answer to a question for progress.
	Phase *sink.ErasePhase `json:"phase,omitempty"`
}

func (r *gcReport) note(text string) { r.Notes = append(r.Notes, text) }

// write shows it to people.
func (r *gcReport) write(e *env) {
	verb := "removed"
	if r.DryRun {
		verb = "would go"
	}
	t := table{head: []string{"where", verb, "number", "bytes"}, right: map[int]bool{2: true, 3: true}}
	switch {
	case r.Erased != nil:
		d := r.Erased
		t.add("", "documents", count(d.Keys), "")
		t.add("stream", "messages", count(d.Messages), count(d.Bytes))
		t.add("stream", "positions of files", count(d.Positions), "")
		t.add("dead letters", "letters", count(d.Letters), count(d.LetterBytes))
		t.add("lake", "rows, all versions", count(d.Lake.Rows), "")
		t.add("lake", "files rewritten", count(d.Lake.Files), count(d.Lake.Bytes-d.Lake.NewBytes))
		if r.DryRun {
			break
		}
		t.add("warehouse", "rows", count(d.Rows), "")
		t.add("warehouse", "content blocks", count(d.Blocks), "")
		t.add("warehouse", "tombstones", count(d.Tombstones), "")
		t.add("warehouse", "bookkeeping", count(r.Forgotten), "")
		if r.Warehouse != nil {
			t.add("warehouse", "file rewritten", "1", count(r.Warehouse.Before-r.Warehouse.After))
		}
		t.add("copy and reports", "files", count(r.Files.Files), count(r.Files.Bytes))
	case r.Retained != nil:
		d := r.Retained
		t.add("lake", "rows before "+d.Before, count(d.Lake.Rows), "")
		t.add("lake", "files", count(d.Lake.Files), count(d.Lake.Bytes-d.Lake.NewBytes))
		t.add("warehouse", "rows", count(d.Rows), "")
		t.add("warehouse", "content blocks", count(d.Blocks), "")
	default:
		t.add("stream", "messages past retention", count(r.Swept), "")
		if c := r.Compacted; c != nil {
			t.add("lake", fmt.Sprintf("files, now %s", count(c.NewFiles)), count(c.Files), count(c.Bytes-c.NewBytes))
			t.add("lake", "superseded versions", count(c.Rows), "")
		}
	}
	t.write(e.stdout)
	if len(r.Notes) > 0 {
		e.printf("\n%s\n", strings.Join(r.Notes, "\n"))
	}
	e.printf("\n%s in %s s\n", r.Mode, seconds(r.Seconds))
}
