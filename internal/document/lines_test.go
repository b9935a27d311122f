package document

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// realLines are the lines of real transcripts: TRANSCRIPTS, else the shared folder beside the repository.
func realLines(tb testing.TB) [][]byte {
	tb.Helper()
	folder := os.Getenv("TRANSCRIPTS")
	if folder == "" {
		folder = "../../../shared/transcripts"
	}
	var lines [][]byte
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".jsonl" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for line := range bytes.Lines(data) {
			if line = bytes.TrimSpace(line); len(line) > 0 {
				lines = append(lines, line)
			}
		}
		return nil
	})
	if err != nil || len(lines) == 0 {
		tb.Skipf("no transcripts in %s (set TRANSCRIPTS): %v", folder, err)
	}
	return lines
}

// madeLines are lines of the shapes and sizes that transcripts have, the same at every call.
func madeLines(n int) [][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	prose := func(size int) string {
		var b strings.Builder
		for b.Len() < size {
			b.WriteString([]string{"the file ", "returns ", "an error\n", "\tif err != nil {\n", "naïve ", "\"quoted\" ", "中文 "}[rng.IntN(7)])
		}
		return b.String()
	}
	lines := make([][]byte, 0, n)
	for i := range n {
		uuid := fmt.Sprintf("0aa3b9f2-%04x-4c2e-a0a1-%012x", i, i)
		envelope := map[string]any{
			"parentUuid": uuid, "isSidechain": false, "userType": "external", "cwd": "/home/dev/src/app",
			"sessionId": "4d5611e5-241a-462a-8d15-5122611a9569", "version": "2.1.63", "gitBranch": "main",
			"uuid": uuid, "timestamp": "2026-02-12T16:03:36.644Z",
		}
		switch rng.IntN(3) {
		case 0:
			envelope["type"] = "assistant"
			envelope["requestId"] = "req_" + uuid
			envelope["message"] = map[string]any{
				"id": "msg_" + uuid, "type": "message", "role": "assistant", "model": "claude-opus-4-6",
				"content":     []any{map[string]any{"type": "tool_use", "id": "toolu_" + uuid, "name": "Bash", "input": map[string]any{"command": prose(60 + rng.IntN(400))}}},
				"stop_reason": nil,
				"usage": map[string]any{
					"input_tokens": 3, "output_tokens": rng.IntN(900), "cache_read_input_tokens": 51234, "cache_creation_input_tokens": 900,
					"cache_creation": map[string]any{"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 900}, "service_tier": "standard",
				},
			}
		case 1:
			envelope["type"] = "user"
			text := prose(100 + rng.IntN(3000))
			envelope["message"] = map[string]any{"role": "user", "content": []any{map[string]any{"type": "tool_result", "tool_use_id": "toolu_" + uuid, "content": text, "is_error": false}}}
			envelope["toolUseResult"] = map[string]any{"stdout": text, "stderr": "", "interrupted": false, "isImage": false}
		default:
			envelope["type"] = "progress"
			envelope["toolUseID"], envelope["parentToolUseID"] = "bash-progress-1", "toolu_"+uuid
			envelope["data"] = map[string]any{"type": "bash_progress", "output": prose(200), "elapsedTimeSeconds": rng.IntN(90), "totalLines": 4}
		}
		line, err := json.Marshal(envelope)
		if err != nil {
			panic(err)
		}
		lines = append(lines, line)
	}
	return lines
}
