package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"claude-analytics/internal/config"
	"claude-analytics/sink/bronze"
	"claude-analytics/sink/lake"
)

// newestEntries is how many manifest files are looked at: a newer release writes the newest.
const newestEntries = 200

// checkLakeFormat sees that this release reads what is there: the newest entry, and the register of epochs.
func checkLakeFormat(cfg config.Loaded) finding {
	const id = "lake"
	manifest := filepath.Join(cfg.LakeDir(), "_manifest")
	entries, err := os.ReadDir(manifest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return good(id, "none yet")
	case err != nil:
		return bad(id, err.Error(), "give this user the right to read DATA_DIR/raw")
	}
	for _, entry := range entries[max(0, len(entries)-newestEntries):] {
		if !strings.HasSuffix(entry.Name(), ".json") {
			continue
		}
		var format struct{ Version int }
		text, err := os.ReadFile(filepath.Join(manifest, entry.Name()))
		if err == nil {
			err = json.Unmarshal(text, &format)
		}
		if err != nil {
			return bad(id, fmt.Sprintf("%s: %v", entry.Name(), err), "restore the file from a backup; claude-analytics status names what else is wrong")
		}
		if format.Version > lake.Version {
			return bad(id, fmt.Sprintf("%s was written by a newer release (format %d, this one reads up to %d)", entry.Name(), format.Version, lake.Version), "upgrade this program, or use another DATA_DIR")
		}
	}
	return good(id, fmt.Sprintf("format %d, %s manifest files", lake.Version, count(len(entries))))
}

// checkLakeFaults tells what the running sink has seen in the lake's folder.
func (s *service) checkLakeFaults() []finding {
	if s.sink == nil || !s.ready.Load() {
		return nil
	}
	var findings []finding
	for _, fault := range s.sink.Status().Faults {
		findings = append(findings, bad("lake", fault.Path+": "+fault.Problem, fault.Remedy))
	}
	return findings
}

// storageSQL is how the file is laid out.
const storageSQL = `SELECT version() || ', storage ' || coalesce(tags['storage_version'], 'not known') FROM duckdb_databases() WHERE database_name = 'analytics'`

// checkStorage opens the warehouse as any reader would.
func (s *service) checkStorage(ctx context.Context) finding {
	const id = "warehouse"
	answer, err := s.readWarehouse(ctx, storageSQL)
	switch {
	case errors.Is(err, errNoWarehouse):
		return good(id, "none yet")
	case err != nil:
		return bad(id, err.Error(), "if it is damaged, stop the service, move the file away, and run: claude-analytics load --full-refresh (the lake fills it anew)")
	}
	detail := "DuckDB"
	for _, row := range answer.Rows {
		detail += " " + texts(row, "")[0]
	}
	return good(id, detail)
}

// checkLeftOut tells of rows that are missing since a rebuild could not read them.
func (s *service) checkLeftOut(ctx context.Context) []finding {
	answer, err := s.readWarehouse(ctx, bronze.LeftOutSQL)
	if err != nil || len(answer.Rows) != 1 {
		return nil // checkStorage says what is wrong
	}
	files, err := strconv.ParseInt(texts(answer.Rows[0], "0")[0], 10, 64)
	if err != nil || files == 0 {
		return nil
	}
	return []finding{bad("warehouse", leftOutText(files), leftOutRemedy)}
}

// lettersSQL counts the dead letters by reason.
const lettersSQL = `SELECT count(*)::BIGINT, coalesce(string_agg(n || ' ' || reason, ', ' ORDER BY n DESC), ''), coalesce(sum(n), 0)::BIGINT
	FROM (SELECT reason, count(*) AS n FROM meta.dead_letters GROUP BY reason)`

// checkLetters tells of dead letters: nobody else asks for them.
func (s *service) checkLetters(ctx context.Context) []finding {
	const id = "dead-letters"
	answer, err := s.readWarehouse(ctx, lettersSQL)
	if err != nil || len(answer.Rows) != 1 {
		return nil // checkStorage says what is wrong
	}
	values := texts(answer.Rows[0], "")
	if values[2] == "0" {
		return []finding{good(id, "none")}
	}
	return []finding{warn(id, values[2]+" wait: "+values[1], "claude-analytics dlq list; then dlq retry or dlq drop")}
}

func (s *service) readWarehouse(ctx context.Context, sql string) (queryAnswer, error) {
	request := queryRequest{SQL: sql, Limit: 10, Timeout: "10s", Raw: true}
	if s.db != nil && s.ready.Load() {
		return runQuery(ctx, s.db, request)
	}
	return queryAnywhere(ctx, s.cfg, disabledLogger, request)
}
