package e2e_test

import (
	"os/exec"
	"strings"
	"testing"
)

// allowed says which folders a folder may import; imports point one way, along the data path.
var allowed = map[string][]string{
	"cmd":       {"ingest", "sink", "modeler", "dashboard", "verify", "internal", "proto"},
	"ingest":    {"ingest", "internal", "proto"},
	"sink":      {"sink", "internal", "proto"},
	"modeler":   {"modeler", "internal", "proto"},
	"dashboard": {"dashboard", "modeler", "internal", "proto"},
	"verify":    {"internal", "proto"},
	"internal":  {"internal", "proto"},
	"proto":     {},
}

// owners says which package alone may import a library.
var owners = map[string]string{
	"github.com/nats-io/":             "claude-analytics/internal/stream",
	"github.com/synadia-io/":          "claude-analytics/internal/stream",
	"github.com/duckdb/duckdb-go":     "claude-analytics/internal/warehouse",
	"github.com/marcboeker/go-duckdb": "none",
}

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-tags", "duckdb_arrow", "-f", `{{.ImportPath}}: {{join .Imports " "}}`, "claude-analytics/...").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	packages := 0
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		importer, list, _ := strings.Cut(line, ":")
		from := folder(importer)
		targets, known := allowed[from]
		if !known {
			continue // bench and e2e stand outside the data path
		}
		packages++
		for _, imported := range strings.Fields(list) {
			for library, owner := range owners {
				if strings.HasPrefix(imported, library) && importer != owner {
					t.Errorf("%s imports %s; only %s may", importer, imported, owner)
				}
			}
			if strings.HasPrefix(imported, "claude-analytics/") && !contains(targets, folder(imported)) {
				t.Errorf("%s imports %s: %s may import only %v", importer, imported, from, targets)
			}
		}
	}
	if packages < 10 {
		t.Errorf("only %d packages were looked at", packages)
	}
}

func folder(path string) string {
	rest := strings.TrimPrefix(path, "claude-analytics/")
	first, _, _ := strings.Cut(rest, "/")
	return first
}

func contains(list []string, one string) bool {
	for _, s := range list {
		if s == one {
			return true
		}
	}
	return false
}
