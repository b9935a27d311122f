package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"claude-analytics/modeler/project"
)

// reportCmd prints tokens and money, live or offline.
type reportCmd struct {
	Kind    string `arg:"" enum:"daily,monthly,session,project,model,tool,blocks" help:"daily, monthly, session, project, model, tool or blocks."`
	Since   string `help:"First day (2026-01-31 or 20260131), in REPORT_TZ." placeholder:"DAY"`
	Until   string `help:"Last day, itself included." placeholder:"DAY"`
	Project string `help:"Only this project, by name or id." placeholder:"PROJECT"`
	JSON    bool   `help:"For programs: ccusage's field names."`
}

// Help gives examples.
func (reportCmd) Help() string {
	return "Tokens and API-equivalent cost; a subscription is billed otherwise. Sub-agents count with their session.\n" +
		"A request whose model has no price has no cost: the report says how many, and PRICES names a file with prices of your own.\n\n" +
		"  claude-analytics report daily --since 2026-01-01\n" +
		"  claude-analytics report tool --project my-project      a response's cost, shared over the tools that it called\n" +
		"  claude-analytics report blocks                          five-hour blocks\n" +
		"  claude-analytics report session --json | jq '.session[0]'"
}

// usageRow is a period, session, project or model; or what all of them come to. The names are ccusage's, as far as it has
// one.
type usageRow struct {
	Period      string `json:"period,omitempty"`
	Date        string `json:"date,omitempty"`
	Month       string `json:"month,omitempty"`
	SessionID   string `json:"sessionId,omitempty"`
	Title       string `json:"title,omitempty"`
	ProjectID   string `json:"projectId,omitempty"`
	ProjectName string `json:"projectName,omitempty"`
	ModelID     string `json:"modelId,omitempty"`

	counts

	ModelsUsed     []string     `json:"modelsUsed,omitempty"`
	Breakdowns     []*breakdown `json:"modelBreakdowns,omitempty"`
	Sessions       int64        `json:"sessions"`
	WebSearches    int64        `json:"webSearches"`
	SubagentTokens int64        `json:"subagentTokens"`
	SubagentCost   json.Number  `json:"subagentCost"`
	LastActivity   string       `json:"lastActivity,omitempty"`
}

// counts are what is summed up.
type counts struct {
	InputTokens         int64       `json:"inputTokens"`
	OutputTokens        int64       `json:"outputTokens"`
	CacheCreationTokens int64       `json:"cacheCreationTokens"`
	CacheReadTokens     int64       `json:"cacheReadTokens"`
	TotalTokens         int64       `json:"totalTokens"`
	TotalCost           json.Number `json:"totalCost"`
	confidence
}

// confidence says what is doubtful about the counts beside it.
type confidence struct {
	Requests         int64 `json:"requests"`
	UnpricedRequests int64 `json:"unpricedRequests"`
	UnpricedTokens   int64 `json:"unpricedTokens"`
	LowerBound       int64 `json:"lowerBoundRequests"`
	Incomplete       int64 `json:"incompleteRequests"`
}

// breakdown is one model's share of a row.
type breakdown struct {
	ModelName           string      `json:"modelName"`
	InputTokens         int64       `json:"inputTokens"`
	OutputTokens        int64       `json:"outputTokens"`
	CacheCreationTokens int64       `json:"cacheCreationTokens"`
	CacheReadTokens     int64       `json:"cacheReadTokens"`
	TotalTokens         int64       `json:"totalTokens"`
	Cost                json.Number `json:"cost"`
	Requests            int64       `json:"requests"`
	UnpricedRequests    int64       `json:"unpricedRequests"`
}

// errNoModels says that there is nothing to report from yet; the statement that found out is nobody's to read.
var errNoModels = errors.New("the models are not built yet: run `claude-analytics transform`")

// Run asks the service, or opens the warehouse.
func (c *reportCmd) Run(ctx context.Context, e *env) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	if c.Kind == "blocks" && c.Project != "" {
		return usagef("blocks are of all projects together, as limits are: leave --project out")
	}
	cfg, log, err := e.startOnce(nil)
	if err != nil {
		return err
	}
	answer, err := queryAnywhere(ctx, cfg, log, queryRequest{
		SQL: reportSQL(c.Kind, filter), Limit: 1_000_000, Timeout: time.Minute.String(), Raw: true, // the published copy is seconds behind
	})
	if err != nil {
		if strings.Contains(err.Error(), "does not exist") {
			log.Debug().Err(err).Msg("the marts cannot be asked")
			return errNoModels
		}
		return err
	}
	switch c.Kind {
	case "tool":
		return finish(e, c, answer, readLevels[toolRow, toolRow], printTools)
	case "blocks":
		return finish(e, c, answer, readBlocks, printBlocks)
	}
	return finish(e, c, answer, readUsage, printUsage)
}

// finish reads a query's answer and writes it for programs or for people.
func finish[Row, Total any](e *env, c *reportCmd, answer queryAnswer,
	read func([]levelled) ([]*Row, Total, error), write func(*env, string, []*Row, Total),
) error {
	lines, err := readLines(answer)
	if err != nil {
		return err
	}
	rows, totals, err := read(lines)
	if err != nil {
		return err
	}
	switch {
	case c.JSON:
		return writeJSON(e.stdout, map[string]any{c.Kind: rows, "totals": totals})
	case len(rows) == 0:
		e.println("Nothing to report: no request in this range.")
	default:
		write(e, c.Kind, rows, totals)
	}
	return nil
}

// reportFilter is what a report is narrowed to; days are ISO, empty for no bound.
type reportFilter struct{ since, until, project string }

func (c *reportCmd) filter() (reportFilter, error) {
	f := reportFilter{project: c.Project}
	for _, day := range []struct {
		flag, text string
		to         *string
	}{{"--since", c.Since, &f.since}, {"--until", c.Until, &f.until}} {
		if day.text == "" {
			continue
		}
		at, err := time.Parse(time.DateOnly, day.text)
		if err != nil {
			at, err = time.Parse("20060102", day.text)
		}
		if err != nil {
			return f, usagef("%s %s: give a day as 2026-01-31 or 20260131", day.flag, day.text)
		}
		*day.to = at.Format(time.DateOnly)
	}
	if f.since != "" && f.until != "" && f.since > f.until {
		return f, usagef("--since %s is after --until %s", f.since, f.until)
	}
	return f, nil
}

// where narrows a mart that has date_key and project_id.
func (f reportFilter) where() string {
	conditions := []string{"true"}
	if f.since != "" {
		conditions = append(conditions, "date_key >= DATE "+project.Literal(f.since))
	}
	if f.until != "" {
		conditions = append(conditions, "date_key <= DATE "+project.Literal(f.until))
	}
	if f.project != "" {
		name := project.Literal(f.project)
		conditions = append(conditions, "project_id IN (SELECT project_id FROM marts.dim_projects WHERE project_id = "+name+" OR lower(project_name) = lower("+name+"))")
	}
	return strings.Join(conditions, " AND ")
}
