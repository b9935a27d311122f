package generator

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// generate writes transcripts into a fresh folder.
func generate(t testing.TB, dir string, cfg Config) *Truth {
	t.Helper()
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	truth, err := g.WriteFiles(context.Background(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return truth
}

// differences compares the truth with what the slow reader finds.
func differences(truth *Truth, files []*found) (all []string) {
	differ := func(what string, want, got any) {
		if fmt.Sprint(want) != fmt.Sprint(got) {
			all = append(all, fmt.Sprintf("%s: truth %v, found %v", what, want, got))
		}
	}
	perFile := map[string]FileTruth{}
	for _, f := range truth.PerFile {
		perFile[f.File] = f
	}
	places := func(list []Place, file string) (found []string) {
		for _, p := range list {
			if p.File == file || file == "" {
				found = append(found, fmt.Sprint(p.Offset, "+", p.Size))
			}
		}
		return found
	}
	var objects int64
	for _, f := range files {
		name := PathText(f.path)
		objects += int64(len(f.objects))
		differ("objects of "+name, perFile[name].Objects, len(f.objects))
		differ("broken parts of "+name, places(truth.Broken, name), places(f.broken, ""))
		differ("half line of "+name, perFile[name].Half, f.half != nil)
		if f.half != nil {
			differ("place of half line of "+name, places(truth.HalfLines, name), places([]Place{*f.half}, ""))
		}
	}
	differ("files", truth.Files, len(files))
	differ("objects", truth.Objects, objects)

	c := count(files)
	started := 0
	for _, s := range c.sessions {
		if s.from != noTime {
			started++
		}
	}
	differ("sessions", truth.Sessions, started)
	differ("sessions without start", truth.SessionsWithoutStart, len(c.sessions)-started)
	differ("prompts", truth.Prompts, c.prompts)
	differ("responses", truth.Responses.Total, c.responses)
	differ("responses with text", truth.Responses.WithText, c.withText)
	differ("synthetic", truth.Responses.Synthetic, c.synthetic)
	differ("no message", truth.Responses.NoMessage, c.noMessage)
	differ("api requests", truth.APIRequests, c.requests)
	differ("calls by model", truth.ModelCalls, c.calls)
	differ("tool calls", truth.ToolCalls, c.toolCalls)
	differ("statuses", truth.ToolStatuses, c.statuses)
	tools := map[string]int64{}
	for name, byStatus := range truth.Tools {
		for _, n := range byStatus {
			tools[name] += n
		}
	}
	differ("tools", tools, c.tools)
	differ("tokens", truth.Tokens, c.tokens)
	differ("tokens by model", truth.ModelTokens, c.models)
	for _, s := range truth.PerSession {
		got := c.sessions[s.ID]
		if got == nil {
			all = append(all, "session "+s.ID+" not found")
			continue
		}
		got.Start, got.End = isoTime(got.from), isoTime(got.to)
		s.from, s.to, got.from, got.to = 0, 0, 0, 0
		differ("session "+s.ID, s, *got)
	}
	days := map[string]DayTruth{}
	for _, d := range truth.Days {
		d.SessionsStarted = 0
		days[d.Date] = d
	}
	got := map[string]DayTruth{}
	for date, d := range c.days {
		got[date] = *d
	}
	for _, date := range slices.Sorted(maps.Keys(got)) {
		differ("day "+date, days[date], got[date])
	}
	return all
}

func requireTruth(t interface {
	Errorf(format string, args ...any)
	Helper()
}, truth *Truth, files []*found,
) {
	t.Helper()
	for i, d := range differences(truth, files) {
		if i == 20 {
			break
		}
		t.Errorf("%s", d)
	}
}

func TestTruthOfOrdinaryFiles(t *testing.T) {
	dir := t.TempDir()
	truth := generate(t, dir, Config{Sessions: 60, Seed: 11})
	files := scan(t, dir)
	requireTruth(t, truth, files)
	if len(truth.Broken)+len(truth.HalfLines) > 0 {
		t.Errorf("ordinary files have %d broken parts and %d half lines", len(truth.Broken), len(truth.HalfLines))
	}
	if truth.Sessions != 60 {
		t.Errorf("sessions %d, want 60", truth.Sessions)
	}
	read, err := ReadTruth(dir)
	if err != nil {
		t.Fatal(err)
	}
	requireTruth(t, read, files)
}

func TestTruthOfHardFiles(t *testing.T) {
	for seed := range uint64(3) {
		dir := t.TempDir()
		truth := generate(t, dir, Config{Sessions: 16, Seed: seed, Hard: true})
		requireTruth(t, truth, scan(t, dir))
		for what, n := range map[string]int{
			"broken parts": len(truth.Broken), "half lines": len(truth.HalfLines), "orphans": int(truth.ToolStatuses[statusOrphan]),
			"pending": int(truth.ToolStatuses[statusPending]), "responses seen only in progress": int(truth.Responses.NestedOnly),
			"responses without a message": int(truth.Responses.NoMessage), "responses without usage": int(truth.Responses.WithoutUsage),
		} {
			if n == 0 {
				t.Errorf("seed %d: no %s", seed, what)
			}
		}
	}
}

func TestTruthOverSeeds(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		cfg := Config{
			Seed: rapid.Uint64().Draw(r, "seed"), Sessions: rapid.IntRange(1, 3).Draw(r, "sessions"), Hard: rapid.Bool().Draw(r, "hard"),
		}
		dir := t.TempDir()
		requireTruth(r, generate(t, dir, cfg), scan(t, dir))
	})
}
