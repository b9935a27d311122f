package modeler_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"claude-analytics/modeler"
)

// sessionRows is how many documents a session of the benchmark has.
const sessionRows = 200

// fill writes n documents each of some of so many sessions, beginning at document first, and what the sink would note.
// Documents take turns: a prompt or a tool's result, a response with a text, a response with a tool call. Sessions come in
// another order than that of their dates, as they do when a folder is imported file by file.
func (b *bronze) fill(t testing.TB, sessions string, of, first, n int) {
	t.Helper()
	b.batch++
	b.exec(t, fmt.Sprintf(`CREATE OR REPLACE TABLE bench_rows AS
		SELECT s, i, 'session-' || s || '-0000-4000-8000-000000000000' AS session_id, 'd' || s || '-' || i AS _id,
			TIMESTAMPTZ '2025-01-01 00:00:00Z' + INTERVAL (s * 7919 %% %d * 20) MINUTE + INTERVAL (i * 20) SECOND AS ts, i %% 3 AS turn
		FROM (SELECT unnest(%s) AS s), range(%d, %d) r(i)`, of, sessions, first, first+n),
		fmt.Sprintf(`INSERT INTO raw.conversations BY NAME
		SELECT _id, CASE turn WHEN 0 THEN 'user' ELSE 'assistant' END AS type, session_id, '-home-project-' || (s %% 40) AS project_id, ts AS "timestamp",
			ts AS ingested_at, ts AS extracted_at, CASE turn WHEN 0 THEN 'user' ELSE 'assistant' END AS message_role,
			repeat('Please fix the bug in file ' || i || ' of session ' || s || '. ', 12) AS message_content,
			repeat('{"role": "x", "content": "' || md5(_id) || '"} ', 20) AS message_raw, 'project/' || session_id || '.jsonl' AS source_file,
			ts::DATE AS date, 'host' AS source, 'projects' AS namespace, type AS source_type, i * 1000 AS source_offset, 1 AS _epoch, %[1]d AS _seq,
			'u' || _id AS uuid, false AS is_sidechain, 'm' || _id AS api_message_id, 'claude-opus-4-6' AS model, '/home/project/' || (s %% 40) AS cwd,
			'main' AS git_branch, '2.1.97' AS cli_version, 600 AS content_length, ts AS effective_timestamp, 'timestamp' AS timestamp_source,
			CASE turn WHEN 0 THEN 'u' ELSE 'm' END || _id AS response_key, false AS is_meta, false AS is_compact_summary, false AS is_api_error,
			false AS is_nested, 0 AS redaction_version, 100 AS input_tokens, 50 AS output_tokens, 1000 AS cache_read_tokens, hash(_id) AS _key
		FROM bench_rows ORDER BY s, i`, b.batch),
		`INSERT INTO raw.content_blocks BY NAME
		SELECT 'host' AS source, _id, 0 AS block_index, session_id, ts::DATE AS date,
			CASE WHEN turn = 2 THEN 'tool_use' WHEN turn = 0 AND i > 0 AND i % 6 = 0 THEN 'tool_result' ELSE 'text' END AS block_type,
			CASE WHEN block_type = 'text' THEN repeat('Some text of the block ', 20) END AS text,
			CASE WHEN turn = 2 THEN ['Read', 'Bash', 'Edit', 'Grep'][1 + i % 4] END AS tool_name,
			CASE block_type WHEN 'tool_use' THEN 't' || s || '-' || (i // 3) WHEN 'tool_result' THEN 't' || s || '-' || (i // 3 - 1) END AS tool_use_id,
			CASE WHEN turn = 2 THEN '{"file_path": "/home/x/' || md5(_id) || '.go"}' END AS input,
			CASE WHEN block_type = 'tool_result' THEN i % 30 = 0 END AS is_error,
			CASE WHEN block_type = 'tool_result' THEN repeat('output ', 100) END AS result_text,
			500 AS char_len, CASE WHEN block_type = 'text' THEN 500 END AS clean_length, hash(_id) AS _key
		FROM bench_rows ORDER BY s, i`,
		fmt.Sprintf(`INSERT INTO raw.link_keys SELECT %d, hash(k || _id), session_id FROM bench_rows, (VALUES ('u'), ('m')) x(k) ORDER BY s, i`, b.batch),
		fmt.Sprintf("INSERT INTO meta.changed_keys SELECT DISTINCT %d, session_id, ts::DATE FROM bench_rows", b.batch))
}

// BenchmarkRefresh measures a refresh after sessions got a document, with the program's own models: two sessions, which shows
// what a refresh costs however little changed, the newest 100, and 100 from everywhere. BENCH_ROWS chooses the sizes, in thousands of documents.
func BenchmarkRefresh(b *testing.B) {
	sizes := os.Getenv("BENCH_ROWS")
	if sizes == "" {
		sizes = "100"
	}
	for _, size := range strings.Split(sizes, ",") {
		thousands, err := strconv.Atoi(size)
		if err != nil {
			b.Fatal(err)
		}
		sessions := thousands * 1000 / sessionRows
		db := openWarehouse(b)
		data := &bronze{db: db}
		const part = 250
		for s := 0; s < sessions; s += part {
			data.fill(b, fmt.Sprintf("range(%d, %d)", s, min(s+part, sessions)), sessions, 0, sessionRows)
		}
		m := newModeler(db, modeler.Config{ProjectFS: modeler.Models()})
		began := cpuTime()
		full, err := m.Refresh(context.Background(), modeler.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Logf("%d thousand documents: full refresh %.1f s, cpu %.1f s", thousands, full.Seconds, (cpuTime() - began).Seconds())
		// So does the service once it is quiet.
		if done, err := db.GiveBack(context.Background()); err != nil || !done {
			b.Fatal(done, err)
		}
		more := sessionRows
		for _, which := range []struct{ name, list string }{
			{"two", fmt.Sprintf("range(%d, %d)", sessions-2, sessions)},
			{"newest", fmt.Sprintf("range(%d, %d)", sessions-100, sessions)},
			{"everywhere", fmt.Sprintf("list_transform(range(0, 100), lambda x: x * %d // 100)", sessions)},
		} {
			list := which.list
			b.Run(fmt.Sprintf("%dk/%s", thousands, which.name), func(b *testing.B) {
				var last modeler.Result
				var cpu, wall []time.Duration
				run := func() {
					more++
					data.fill(b, list, sessions, more, 1)
					began, at := cpuTime(), time.Now()
					defer func() { cpu, wall = append(cpu, cpuTime()-began), append(wall, time.Since(at)) }()
					b.StartTimer()
					var err error
					if last, err = m.Refresh(context.Background(), modeler.Options{Reason: modeler.ReasonChange}); err != nil {
						b.Fatal(err)
					}
					b.StopTimer()
				}
				b.StopTimer()
				run() // the first one asks DuckDB about columns
				b.ResetTimer()
				cpu, wall = nil, nil
				for range b.N {
					run()
				}
				b.ReportMetric(median(cpu), "median-cpu-ms")
				b.ReportMetric(median(wall), "median-ms")
				b.Log(slowest(last))
			})
		}
	}
}

// median in milliseconds.
func median(of []time.Duration) float64 {
	slices.Sort(of)
	return float64(of[len(of)/2].Microseconds()) / 1000
}

// cpuTime is what the process has used: unlike the wall clock it does not depend on what else the machine does.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func slowest(r modeler.Result) string {
	var out strings.Builder
	sum := 0.0
	for _, m := range r.Models {
		sum += m.Seconds
		fmt.Fprintf(&out, "%s %.0f ms, ", m.Name, m.Seconds*1000)
	}
	fmt.Fprintf(&out, "all models %.0f of %.0f ms, %d sessions", sum*1000, r.Seconds*1000, r.Sessions)
	return out.String()
}
