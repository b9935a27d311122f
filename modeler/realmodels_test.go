package modeler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"claude-analytics/internal/document"
	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler"
	"claude-analytics/modeler/project"
	"claude-analytics/proto"
)

// The program's own models hold what a rebuild gives, whatever happened to bronze and whenever it was refreshed.
func TestModelsIncrementalEqualsFull(t *testing.T) {
	p, err := project.Load(modeler.Models(), nil)
	if err != nil {
		t.Fatal(err)
	}
	db := openWarehouse(t)
	fewerChecks(t, 4) // the program's own models take a multiple of the small ones' time
	rapid.Check(t, func(rt *rapid.T) {
		b := emptyBronze(t, db)
		prices := writePrices(rt, t, "nobody-knows", 0)
		refresh := func(opts modeler.Options, chunk int64) {
			m := newModeler(db, modeler.Config{ProjectFS: modeler.Models(), Chunk: chunk, Prices: prices})
			if _, err := m.Refresh(context.Background(), opts); err != nil {
				rt.Fatalf("refresh: %v", err)
			}
		}
		for range rapid.IntRange(1, 5).Draw(rt, "steps") {
			b.applyRecords(t, drawRecords(rt))
			if rapid.IntRange(0, 3).Draw(rt, "new prices") == 0 {
				prices = writePrices(rt, t, rapid.SampledFrom([]string{"nobody-knows", "claude-opus-4-6", "claude-haiku-5-5"}).Draw(rt, "priced"), rapid.IntRange(0, 3).Draw(rt, "price"))
			}
			if rapid.IntRange(0, 2).Draw(rt, "refresh") > 0 {
				refresh(modeler.Options{}, rapid.SampledFrom([]int64{0, 0, 3}).Draw(rt, "chunk"))
			}
		}
		refresh(modeler.Options{}, 0)
		b.freeze(t, p)
		refresh(modeler.Options{Full: true}, 0)
		b.compare(rt, p, tables(t, p))
	})
}

// writePrices makes a price list of one's own.
func writePrices(rt *rapid.T, t *testing.T, model string, usd int) string {
	file := filepath.Join(t.TempDir(), "prices.yml")
	text := fmt.Sprintf("- {model_id: %s, effective_from: 2026-02-02, input_usd: %d, output_usd: 1, cache_read_usd: 0, cache_write_5m_usd: 0, cache_write_1h_usd: 0}\n", model, usd)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		rt.Fatal(err)
	}
	return file
}

// record is one document of a transcript, or, with deleted, its end.
type record struct {
	id      string
	deleted bool
	object  map[string]any
	// findings are the rules of the secrets that were replaced in it.
	findings []string
}

// drawRecords draws a few records, each under an id of its own.
func drawRecords(rt *rapid.T) (records []record) {
	seen := map[string]bool{}
	for range rapid.IntRange(1, 6).Draw(rt, "records") {
		r := drawRecord(rt)
		if !seen[r.id] {
			records = append(records, r)
		}
		seen[r.id] = true
	}
	return records
}

// drawRecord draws from few values of everything, so that records meet: copies over sessions, repeated responses, results
// before their calls, midnight.
func drawRecord(rt *rapid.T) record {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(rt, label) }
	number := func(label string, most int) int { return rapid.IntRange(0, most).Draw(rt, label) }
	r := record{id: fmt.Sprintf("%024x", number("id", 15)), deleted: number("delete", 7) == 0}
	if r.deleted {
		return r
	}
	minute := rapid.SampledFrom([]int{0, 1, 2, 7, 1439, 1440, 1441, 2900}).Draw(rt, "minute")
	o := map[string]any{
		"type": "user", "uuid": "u" + strconv.Itoa(number("uuid", 7)), "sessionId": pick("session", "a", "b", "c", "d"),
		"timestamp": time.Date(2026, 2, 1, 0, minute, number("second", 3), 0, time.UTC).Format(time.RFC3339),
		"projectId": pick("project", "-p", "-q"), "cwd": pick("cwd", "/p", "/q", "/p/.worktrees/x"),
	}
	call := pick("call", "t1", "t2", "t3")
	switch pick("kind", "prompt", "prompt", "result", "answer", "answer", "use", "use", "system", "title", "nested", "queued", "none", "link") {
	case "prompt":
		o["message"] = map[string]any{"role": "user", "content": pick("text", "fix the bug", "add a feature", "ok", "[Request interrupted by user]", "")}
	case "result":
		o["toolUseResult"] = drawToolResult(rt)
		if number("reports", 3) == 0 {
			o["toolUseResult"] = map[string]any{"agentId": pick("started", "ag", "ag2"), "status": "completed", "gitOperation": map[string]any{"commit": map[string]any{"sha": "abc1234"}}}
		}
		o["message"] = map[string]any{"role": "user", "content": []any{map[string]any{
			"type": "tool_result", "tool_use_id": call, "is_error": number("is_error", 1) == 1, "content": pick("output", "ok", "timed out", "User rejected"),
		}}}
	case "answer", "use":
		o["type"] = "assistant"
		o["gitBranch"], o["version"] = pick("branch", "", "main", "page"), pick("version", "2.1.30", "2.1.100")
		if number("attribution", 4) == 0 {
			o["attributionSkill"] = pick("skill", "shipping", "drawing")
		}
		o["message"] = drawResponse(rt, call)
	case "system":
		o["type"], o["subtype"], o["durationMs"] = "system", "turn_duration", number("turn duration", 3)*1000
	case "link":
		r.object = map[string]any{
			"type": "pr-link", "sessionId": o["sessionId"], "timestamp": o["timestamp"], "prNumber": 7, "prUrl": "https://h/me/app/pull/7", "prRepository": "me/app",
		}
		return r
	case "title":
		r.object = map[string]any{"type": "summary", "summary": "A title", "sessionId": o["sessionId"]}
		return r
	case "nested":
		o["type"], o["parentToolUseID"] = "progress", call
		o["data"] = map[string]any{"type": "agent_progress", "agentId": "ag", "message": map[string]any{
			"type": "assistant", "timestamp": o["timestamp"], "message": drawResponse(rt, call),
		}}
	case "queued":
		o["type"] = "attachment"
		o["attachment"] = map[string]any{"type": "queued_command", "prompt": "and then this", "commandMode": "prompt"}
	case "none":
		delete(o, "sessionId")
		delete(o, "projectId")
		o["message"] = map[string]any{"role": "user", "content": "lost"}
	}
	if number("sidechain", 4) == 0 {
		o["isSidechain"], o["agentId"] = true, pick("agent", "ag", "ag2")
	}
	r.object = o
	for range number("findings", 2) {
		r.findings = append(r.findings, pick("rule", "jwt", "private-key"))
	}
	return r
}

func drawToolResult(rt *rapid.T) any {
	duration := rapid.IntRange(0, 3).Draw(rt, "duration") * 100
	return rapid.SampledFrom([]any{
		map[string]any{"durationMs": duration},
		map[string]any{"durationMs": duration, "filePath": "/p/a.go", "structuredPatch": []any{map[string]any{"lines": []any{"+a", "-b", "+c"}}}},
		map[string]any{"type": "create", "filePath": "/p/new.go", "content": "a\nb"},
		"Error: no",
	}).Draw(rt, "result")
}

func drawResponse(rt *rapid.T, call string) map[string]any {
	number := func(label string, most int) int { return rapid.IntRange(0, most).Draw(rt, label) }
	var block map[string]any
	switch rapid.IntRange(0, 2).Draw(rt, "block") {
	case 0:
		block = map[string]any{"type": "text", "text": "Done. See http://example.com?"}
	case 1:
		block = map[string]any{
			"type": "tool_use", "id": call, "name": rapid.SampledFrom([]string{"Read", "Bash", "mcp__x__y", "Edit", "Write", "Skill", "Agent"}).Draw(rt, "tool"),
			"input": rapid.SampledFrom([]map[string]any{
				{"file_path": "/p/a.go", "old_string": "a", "new_string": "a\nb"},
				{"file_path": "/q/.worktrees/x/b.py", "content": "a\nb\nc"},
				{"file_path": "c.txt"},
				{"command": "git commit -m x && git push"},
				{"command": "gh pr create"},
				{"command": "ls"},
				{"skill": "drawing", "subagent_type": "Explore"},
				{},
			}).Draw(rt, "input"),
		}
	default:
		block = map[string]any{"type": "thinking", "thinking": "hm"}
	}
	return map[string]any{
		"id": "m" + strconv.Itoa(rapid.IntRange(0, 3).Draw(rt, "message id")), "role": "assistant",
		"model": rapid.SampledFrom([]string{"claude-opus-4-6", "claude-haiku-5-5", "nobody-knows", "<synthetic>"}).Draw(rt, "model"), "content": []any{block},
		"usage": map[string]any{
			"input_tokens": 1 + 100_000*number("large", 1), "output_tokens": number("output", 3), "speed": rapid.SampledFrom([]string{"standard", "fast"}).Draw(rt, "speed"),
			"server_tool_use": map[string]any{"web_search_requests": number("searches", 1)},
		},
	}
}

// applyRecords stores one batch as the sink would.
func (b *bronze) applyRecords(t testing.TB, records []record) {
	t.Helper()
	b.batch++
	err := b.db.Write(context.Background(), "test", func(ctx context.Context, tx *warehouse.Tx) error {
		for i, r := range records {
			touched := "INSERT INTO meta.changed_keys SELECT ?, coalesce(session_id, ''), date FROM raw.conversations WHERE _id = ?"
			if _, err := tx.Exec(ctx, touched, b.batch, r.id); err != nil {
				return err
			}
			for _, table := range []string{"raw.conversations", "raw.content_blocks", "raw.secret_findings"} {
				if _, err := tx.Exec(ctx, "DELETE FROM "+table+" WHERE _id = ?", r.id); err != nil {
					return err
				}
			}
			if r.deleted {
				continue
			}
			if err := b.insertRecord(ctx, tx, r, uint64(b.batch)*100+uint64(i)); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, touched, b.batch, r.id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bronze) insertRecord(ctx context.Context, tx *warehouse.Tx, r record, seq uint64) error {
	object, err := json.Marshal(r.object)
	if err != nil {
		return err
	}
	at := time.Date(2026, 3, 1, 0, 0, int(seq), 0, time.UTC)
	raw, err := document.FromJSON(nil, object, document.Extra{IngestedAt: at})
	if err != nil {
		return err
	}
	row, blocks, err := document.Convert(&proto.Change{
		Version: proto.Version, Source: "s", Id: r.id, Namespace: "n", Document: raw, ExtractedAtMicros: at.UnixMicro(),
	}, 1, seq)
	if err != nil {
		return err
	}
	row.DocRaw = nil
	if err := insertFields(ctx, tx, "raw.conversations", row, r.id); err != nil {
		return err
	}
	for _, block := range blocks {
		if err := insertFields(ctx, tx, "raw.content_blocks", block, r.id); err != nil {
			return err
		}
	}
	for n, rule := range r.findings {
		if _, err := tx.Exec(ctx, `INSERT INTO raw.secret_findings SELECT source, _id, ?, ?, 'message.content', md5(?), session_id, date, 1, _epoch, _seq, _key
			FROM raw.conversations WHERE _id = ?`, n, rule, rule, r.id); err != nil {
			return err
		}
	}
	for _, key := range document.LinkKeys(&row, blocks) {
		if _, err := tx.Exec(ctx, "INSERT INTO raw.link_keys VALUES (?, ?::UBIGINT, ?)", b.batch, strconv.FormatUint(key, 10), row.SessionID.V); err != nil {
			return err
		}
	}
	return nil
}

// insertFields inserts a struct whose fields name their columns.
func insertFields(ctx context.Context, tx *warehouse.Tx, table string, row any, id string) error {
	names, marks, values := []string{`"_key"`}, []string{"hash(?)"}, []any{id}
	v := reflect.ValueOf(row)
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("col")
		if name == "" || name == "-" {
			continue
		}
		field := v.Field(i)
		if field.Kind() == reflect.Struct && field.NumField() == 2 && field.Type().Field(1).Name == "Valid" {
			if !field.Field(1).Bool() {
				continue
			}
			field = field.Field(0)
		}
		value := field.Interface()
		switch x := value.(type) {
		case document.Timestamp:
			value = x.Time()
		case document.Date:
			value = x.String()
		case []byte:
			continue
		}
		names, marks, values = append(names, project.Quote(name)), append(marks, "?"), append(values, value)
	}
	_, err := tx.Exec(ctx, fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", table, strings.Join(names, ", "), strings.Join(marks, ", ")), values...)
	return err
}
