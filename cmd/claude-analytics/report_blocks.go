package main

import (
	"encoding/json"
	"strings"
	"time"
)

// blockRow is a five-hour block, or the gap before one. The names are ccusage's.
type blockRow struct {
	ID            string      `json:"id,omitempty"`
	StartTime     time.Time   `json:"startTime"`
	EndTime       time.Time   `json:"endTime"`
	ActualEndTime *time.Time  `json:"actualEndTime"`
	IsActive      bool        `json:"isActive"`
	IsGap         bool        `json:"isGap"`
	Entries       int64       `json:"entries"`
	TokenCounts   blockTokens `json:"tokenCounts"`
	TotalTokens   int64       `json:"totalTokens"`
	CostUSD       json.Number `json:"costUSD"`
	Models        []string    `json:"models"`
	confidence
}

type blockTokens struct {
	Input         int64 `json:"inputTokens"`
	Output        int64 `json:"outputTokens"`
	CacheCreation int64 `json:"cacheCreationInputTokens"`
	CacheRead     int64 `json:"cacheReadInputTokens"`
}

// blockLine is a row of the query.
type blockLine struct {
	StartTime     time.Time  `json:"startTime"`
	EndTime       time.Time  `json:"endTime"`
	FirstTime     time.Time  `json:"firstTime"`
	ActualEndTime *time.Time `json:"actualEndTime"`
	GapStart      *time.Time `json:"gapStart"`
	counts
	Models []string `json:"models"`
}

// blocksSQL reads fct_blocks_5h. Blocks are of all projects together, as limits are.
func blocksSQL(f reportFilter) string {
	return strings.ReplaceAll(`
SELECT 2 AS level, block_start AS "startTime", block_end AS "endTime", first_request_at AS "firstTime", last_request_at AS "actualEndTime",
	gap_start AS "gapStart", api_requests AS "requests", input_tokens AS "inputTokens", output_tokens AS "outputTokens",
	cache_creation_tokens AS "cacheCreationTokens", cache_read_tokens AS "cacheReadTokens", total_tokens AS "totalTokens",
	cost_usd AS "totalCost", unpriced_requests AS "unpricedRequests", unpriced_tokens AS "unpricedTokens",
	lower_bound_requests AS "lowerBoundRequests", incomplete_requests AS "incompleteRequests", models
FROM marts.fct_blocks_5h WHERE {where}
UNION ALL
SELECT 3, NULL, NULL, NULL, NULL, NULL, coalesce(sum(api_requests), 0)::BIGINT, coalesce(sum(input_tokens), 0)::BIGINT,
	coalesce(sum(output_tokens), 0)::BIGINT, coalesce(sum(cache_creation_tokens), 0)::BIGINT, coalesce(sum(cache_read_tokens), 0)::BIGINT,
	coalesce(sum(total_tokens), 0)::BIGINT, coalesce(sum(cost_usd), 0), coalesce(sum(unpriced_requests), 0)::BIGINT,
	coalesce(sum(unpriced_tokens), 0)::BIGINT, coalesce(sum(lower_bound_requests), 0)::BIGINT,
	coalesce(sum(incomplete_requests), 0)::BIGINT, NULL
FROM marts.fct_blocks_5h WHERE {where}
ORDER BY level, "startTime"`, "{where}", f.where())
}

// readBlocks puts the gaps between the blocks, and says which block still runs.
func readBlocks(lines []levelled) ([]*blockRow, counts, error) {
	found, totals, err := readLevels[blockLine, counts](lines)
	if err != nil {
		return nil, totals, err
	}
	now, rows := time.Now(), []*blockRow{}
	for i, line := range found {
		if line.GapStart != nil && i > 0 {
			rows = append(rows, &blockRow{
				ID: "gap-" + line.GapStart.UTC().Format(isoMillis), StartTime: *line.GapStart, EndTime: line.FirstTime,
				IsGap: true, CostUSD: "0", Models: []string{},
			})
		}
		row := line.row()
		row.ID, row.StartTime, row.EndTime, row.ActualEndTime = line.StartTime.UTC().Format(isoMillis), line.StartTime, line.EndTime, line.ActualEndTime
		row.IsActive = now.Before(line.EndTime) && now.Sub(*line.ActualEndTime) < 5*time.Hour
		rows = append(rows, row)
	}
	return rows, totals, nil
}

const isoMillis = "2006-01-02T15:04:05.000Z"

func (l *blockLine) row() *blockRow {
	return &blockRow{
		Entries:     l.Requests,
		TokenCounts: blockTokens{Input: l.InputTokens, Output: l.OutputTokens, CacheCreation: l.CacheCreationTokens, CacheRead: l.CacheReadTokens},
		TotalTokens: l.TotalTokens, CostUSD: l.TotalCost, Models: l.Models, confidence: l.confidence,
	}
}

func printBlocks(e *env, _ string, rows []*blockRow, totals counts) {
	t := table{head: []string{"block (UTC)", "until", "last request", "requests", "models", "total tokens", "cost $"}}
	t.right = map[int]bool{3: true, 5: true, 6: true}
	const minute = "2006-01-02 15:04"
	for _, row := range rows {
		start := row.StartTime.UTC().Format(minute)
		if row.IsGap {
			t.add(start, row.EndTime.UTC().Format(minute), "", "", "(nothing for "+span(row.EndTime.Sub(row.StartTime))+")", "", "")
			continue
		}
		if row.IsActive {
			start += " active"
		}
		cost := counts{TotalCost: row.CostUSD, confidence: row.confidence}
		t.add(start, row.EndTime.UTC().Format(minute), row.ActualEndTime.UTC().Format(minute), count(row.Entries),
			strings.Join(row.Models, ", "), count(row.TotalTokens), cost.cost())
	}
	t.add("total", "", "", count(totals.Requests), "", count(totals.TotalTokens), totals.cost())
	t.write(e.stdout)
	totals.notes(e)
}

// span writes a length of time in its largest unit.
func span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return plural(int64(d/(24*time.Hour)), "day")
	case d >= 2*time.Hour:
		return plural(int64(d/time.Hour), "hour")
	}
	return plural(int64(d/time.Minute), "minute")
}
