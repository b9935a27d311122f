package ingest

import (
	"os"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Real transcripts, if they are at hand: one change an object, and a second pass adds none.
func TestRealTranscripts(t *testing.T) {
	dir := os.Getenv("TRANSCRIPTS")
	if dir == "" {
		dir = "../../shared/transcripts/projects"
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no transcripts at %s; set TRANSCRIPTS to a folder of them", dir)
	}
	conn := openStream(t)
	cfg := Config{Folders: []Folder{{Path: dir}}, Identity: NewIdentity(t.TempDir() + "/source.json")}
	status := once(t, conn, cfg)
	in := watchStream(t, conn)
	in.update()
	in.unique()
	if status.Files != 17 || len(in.changes) != 2789 || status.Documents != 2789 {
		t.Errorf("%d files gave %d changes (%d by status), want 17 and 2789", status.Files, len(in.changes), status.Documents)
	}
	if got := letters(t, conn); len(got) > 0 || status.DeadLetters > 0 {
		t.Errorf("%d dead letters, want none", len(got))
	}
	if len(in.positions) != 17 {
		t.Errorf("%d positions, want 17", len(in.positions))
	}
	for _, change := range in.changes {
		if err := bson.Raw(change.GetDocument()).Validate(); err != nil {
			t.Fatal(err)
		}
	}
	if again := once(t, conn, cfg); again.Documents != 0 || again.DeadLetters != 0 {
		t.Errorf("a second pass published %d documents", again.Documents)
	}
}
