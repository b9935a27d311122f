package generator

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// sample is what the distribution tests look at.
type sample struct {
	lines                       []int // their lengths
	types, blocks, tools        map[string]int
	perResponse                 map[string]int
	versions, models, languages map[string]bool
	uuids, copies               int
	fencedAnswers, answers      int
	crossed                     int // files with more than one date
}

func take(t *testing.T, dir string, files []*found) *sample {
	s := &sample{
		types: map[string]int{}, blocks: map[string]int{}, tools: map[string]int{}, perResponse: map[string]int{},
		versions: map[string]bool{}, models: map[string]bool{}, languages: map[string]bool{},
	}
	seen := map[string]bool{}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(dir, f.path))
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.SplitSeq(bytes.TrimSuffix(text, []byte("\n")), []byte("\n")) {
			s.lines = append(s.lines, len(line))
		}
		days := map[string]bool{}
		for _, o := range f.objects {
			s.take(t, f, o, seen)
			if at := str(o["timestamp"]); at != "" {
				days[at[:10]] = true
			}
		}
		if len(days) > 1 {
			s.crossed++
		}
	}
	slices.Sort(s.lines)
	return s
}

func (s *sample) take(t *testing.T, f *found, o map[string]any, seen map[string]bool) {
	kind := str(o["type"])
	s.types[kind]++
	if id := str(o["uuid"]); id != "" {
		if s.uuids++; seen[id] {
			s.copies++
		}
		seen[id] = true
	}
	version := str(o["version"])
	s.versions[version] = s.versions[version] || version != ""
	switch kind {
	case "progress":
		parts := strings.Split(version, ".")
		if patch, err := strconv.Atoi(parts[2]); err != nil || parts[0] != "2" || parts[1] != "1" || patch < 12 || patch > 63 {
			t.Errorf("%s: progress from version %s", f.path, version)
		}
	case "summary", "ai-title", "custom-title", "last-prompt", "mode", "permission-mode":
		if o["timestamp"] != nil || o["uuid"] != nil {
			t.Errorf("%s: %s with a timestamp or uuid", f.path, kind)
		}
	case "file-history-snapshot":
		if o["sessionId"] != nil || o["timestamp"] != nil {
			t.Errorf("%s: snapshot with session or timestamp", f.path)
		}
	}
	if o["isSidechain"] == true && o["agentId"] == nil && !strings.HasPrefix(version, "1.0.") {
		t.Errorf("%s: inline sidechain in version %s", f.path, version)
	}
	message := object(o["message"])
	if kind == "assistant" {
		s.perResponse[str(message["id"])]++
		s.models[str(message["model"])] = true
	}
	content, _ := message["content"].([]any)
	for _, b := range content {
		block := object(b)
		s.blocks[str(block["type"])]++
		switch str(block["type"]) {
		case "tool_use":
			s.tools[str(block["name"])]++
		case "text":
			if kind == "assistant" {
				s.answers++
				if strings.Contains(str(block["text"]), "\n```") {
					s.fencedAnswers++
				}
			}
		}
	}
	if text := str(message["content"]); kind == "user" && strings.ContainsFunc(text, func(r rune) bool { return r > 0x2e80 }) {
		s.languages["east Asian"] = true
	}
}

func TestDistributions(t *testing.T) {
	dir := t.TempDir()
	truth := generate(t, dir, Config{Sessions: 160, Seed: 21})
	files := scan(t, dir)
	s := take(t, dir, files)

	within := func(what string, got, low, high float64) {
		t.Helper()
		if got < low || got > high {
			t.Errorf("%s: %.4g, want %.4g to %.4g", what, got, low, high)
		}
	}
	share := func(part, whole int) float64 { return float64(part) / float64(whole) }
	quantile := func(p float64) float64 { return float64(s.lines[int(p*float64(len(s.lines)-1))]) }
	within("median line", quantile(0.5), 600, 1600)
	within("99th percentile of lines", quantile(0.99), 18_000, 80_000)
	within("99.9th percentile of lines", quantile(0.999), 50_000, 400_000)
	within("longest line", quantile(1), 100_000, 2_100_000)

	calls := s.blocks["tool_use"]
	within("texts for each call", share(s.blocks["text"], calls), 0.35, 0.7)
	within("thoughts for each call", share(s.blocks["thinking"], calls), 0.3, 0.6)
	within("results for each call", share(s.blocks["tool_result"], calls), 0.98, 1.01)
	for tool, want := range map[string]float64{"Bash": 0.30, "Read": 0.24, "Edit": 0.20, "Grep": 0.11} {
		within(tool, share(s.tools[tool], calls), want*0.75, want*1.25)
	}
	within("tools", float64(len(s.tools)), 40, 200)
	within("success", float64(truth.ToolStatuses[statusSuccess])/float64(truth.ToolCalls), 0.93, 0.975)
	several := 0
	for _, n := range s.perResponse {
		if n > 1 {
			several++
		}
	}
	within("responses on several lines", share(several, len(s.perResponse)), 0.65, 0.85)
	within("progress", share(s.types["progress"], len(s.lines)), 0.1, 0.45)
	within("human prompts among user records", share(int(truth.UserRecords[classHuman]), s.types["user"]), 0.03, 0.12)
	within("code in answers", share(s.fencedAnswers, s.answers), 0.02, 0.12)
	within("versions", float64(len(s.versions)), 60, 300)
	within("models", float64(len(s.models)), 7, 20)
	within("copied records", share(s.copies, s.uuids), 0.001, 0.1)
	within("files over midnight", share(s.crossed, len(files)), 0.005, 0.2)
	if !s.languages["east Asian"] {
		t.Error("no prompt in another script")
	}
	for _, kind := range []string{"system", "attachment", "queue-operation", "file-history-snapshot", "summary", "ai-title", "last-prompt", "mode", "permission-mode", "pr-link"} {
		if s.types[kind] == 0 {
			t.Errorf("no %s record", kind)
		}
	}
	var sessionCalls []int64
	for _, row := range truth.PerSession {
		sessionCalls = append(sessionCalls, row.ToolCalls)
	}
	slices.Sort(sessionCalls)
	within("median calls of a session", float64(sessionCalls[len(sessionCalls)/2]), 15, 75)
	for _, path := range []string{"*/*.jsonl", "*/*/subagents/agent-*.jsonl", "*/*/subagents/agent-*.meta.json"} {
		if found, err := filepath.Glob(filepath.Join(dir, path)); err != nil || len(found) == 0 {
			t.Errorf("no %s", path)
		}
	}
	within("compression", compression(t, dir, files), 3, 12)
}

// compression is how many times smaller gzip makes the files.
func compression(t *testing.T, dir string, files []*found) float64 {
	var out countingWriter
	in := 0
	packer := gzip.NewWriter(&out)
	for _, f := range files {
		if in > 10_000_000 {
			break
		}
		text, err := os.ReadFile(filepath.Join(dir, f.path))
		if err != nil {
			t.Fatal(err)
		}
		in += len(text)
		if _, err := packer.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := packer.Close(); err != nil {
		t.Fatal(err)
	}
	return float64(in) / float64(out)
}

type countingWriter int

func (w *countingWriter) Write(p []byte) (int, error) {
	*w += countingWriter(len(p))
	return len(p), nil
}

// What tells failures apart must not occur in what worked, or a reader that looks at texts would be misled by chance.
func TestSuccessDoesNotSoundLikeFailure(t *testing.T) {
	dir := t.TempDir()
	generate(t, dir, Config{Sessions: 40, Seed: 5})
	for _, f := range scan(t, dir) {
		for _, o := range f.objects {
			content, _ := object(o["message"])["content"].([]any)
			for _, b := range content {
				block := object(b)
				if str(block["type"]) != "tool_result" || block["is_error"] == true {
					continue
				}
				for _, phrase := range []string{"timed out", "Sibling tool call", "doesn't want to proceed", "[Request interrupted", "has been denied", "User rejected"} {
					if strings.Contains(str(block["content"]), phrase) {
						t.Fatalf("%s: a result that worked says %q", f.path, phrase)
					}
				}
			}
		}
	}
}
