package models_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler/project"
)

// specified are the columns of the specification's entities, in its order: every mart begins with them.
var specified = map[string][]string{
	"dim_sessions": {
		"session_key VARCHAR", "session_id VARCHAR", "project_id VARCHAR", "session_start TIMESTAMP WITH TIME ZONE", "session_end TIMESTAMP WITH TIME ZONE",
		"duration_seconds BIGINT", "message_count BIGINT", "tool_call_count BIGINT", "activity_level VARCHAR",
	},
	"dim_projects": {
		"project_key VARCHAR", "project_id VARCHAR", "project_name VARCHAR", "total_sessions BIGINT",
		"first_activity TIMESTAMP WITH TIME ZONE", "last_activity TIMESTAMP WITH TIME ZONE",
	},
	"dim_tools": {"tool_key VARCHAR", "tool_name VARCHAR", "tool_category VARCHAR", "total_usage BIGINT"},
	"fct_messages": {
		"message_key VARCHAR", "session_key VARCHAR", "date_key DATE", "project_id VARCHAR", "role VARCHAR", "task_category VARCHAR", "content_length BIGINT",
		"message_sequence BIGINT", "has_code_block BOOLEAN", "created_at TIMESTAMP WITH TIME ZONE",
	},
	"fct_tool_calls": {
		"tool_call_key VARCHAR", "session_key VARCHAR", "tool_key VARCHAR", "date_key DATE", "execution_time_ms BIGINT", "status VARCHAR",
	},
	"dim_date": {"date_key DATE", "year BIGINT", "month BIGINT", "week BIGINT", "day BIGINT", "day_name VARCHAR", "is_weekend BOOLEAN"},
	"fct_file_operations": {
		"operation_key VARCHAR", "session_key VARCHAR", "date_key DATE", "file_path VARCHAR", "operation_type VARCHAR",
	},
	"agg_daily_summary":   {"date_key DATE", "sessions BIGINT", "messages BIGINT", "tool_calls BIGINT", "duration_seconds BIGINT"},
	"agg_hourly_activity": {"date_key DATE", "hour_of_day BIGINT", "day_of_week BIGINT", "total_activity BIGINT"},
	"agg_session_metrics": {"session_key VARCHAR", "session_id VARCHAR", "duration_seconds BIGINT", "message_count BIGINT", "productivity_score BIGINT"},
	"agg_tool_efficiency": {"tool_key VARCHAR", "tool_name VARCHAR", "total_usage BIGINT", "success_rate DOUBLE", "avg_execution_time_ms BIGINT"},
	"agg_code_changes":    {"date_key DATE", "files_modified BIGINT", "operations BIGINT"},
}

// Every column of every model is described, in its place, and every mart has the specification's columns first.
func TestColumns(t *testing.T) {
	p, err := project.Load(os.DirFS("../models"), nil)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorkshop(t)
	err = w.db.Read(t.Context(), func(ctx context.Context, tx *warehouse.Tx) error {
		for _, n := range p.Nodes {
			columns, err := tx.Columns(ctx, n.Schema, n.Name)
			if err != nil {
				return err
			}
			var have, described, typed []string
			for _, c := range columns {
				have, typed = append(have, c.Name), append(typed, c.Name+" "+c.Type)
			}
			for _, c := range n.Columns {
				described = append(described, c.Name)
				if c.Description == "" {
					t.Errorf("%s.%s has no description", n.Name, c.Name)
				}
			}
			if !slices.Equal(have, described) {
				t.Errorf("%s has the columns\n%s\nbut described are\n%s", n.Name, strings.Join(have, " "), strings.Join(described, " "))
			}
			if n.Description == "" {
				t.Errorf("%s has no description", n.Name)
			}
			if want := specified[n.Name]; len(want) > len(typed) || !slices.Equal(typed[:len(want)], want) {
				t.Errorf("%s begins with %v, specified are %v", n.Name, typed[:min(len(want), len(typed))], want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
