package prices

import (
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"

	"claude-analytics/modeler/project"
)

// order is how the columns stand in the seeds.
var order = []string{
	"model_id", "effective_from", "effective_to", "prompt_min", "input_usd", "output_usd", "cache_read_usd", "cache_write_5m_usd",
	"cache_write_1h_usd", "fast_multiplier", "us_multiplier", "batch_multiplier", "web_search_usd", "source", "verified_on",
}

// column says what a field may hold, and what stands for it where it is left out.
type column struct {
	kind     kind
	missing  string
	optional bool
}

type kind int

const (
	anyText kind = iota
	model
	day
	tokens
	rate       // US dollars a million tokens
	multiplier // of a rate
	dollars    // US dollars apiece
)

var columns = map[string]column{
	"model_id":           {kind: model},
	"effective_from":     {kind: day, optional: true},
	"effective_to":       {kind: day, optional: true},
	"prompt_min":         {kind: tokens, missing: "0", optional: true},
	"input_usd":          {kind: rate},
	"output_usd":         {kind: rate},
	"cache_read_usd":     {kind: rate},
	"cache_write_5m_usd": {kind: rate},
	"cache_write_1h_usd": {kind: rate},
	"fast_multiplier":    {kind: multiplier, optional: true}, // none: what was fast has no price
	"us_multiplier":      {kind: multiplier, missing: "1", optional: true},
	"batch_multiplier":   {kind: multiplier, missing: "1", optional: true},
	"web_search_usd":     {kind: dollars, missing: "0.01", optional: true},
	"source":             {missing: "own", optional: true},
	"verified_on":        {kind: day, optional: true},
}

// The bounds keep every cost within its type, whatever figures a transcript holds.
var (
	ratePattern       = regexp.MustCompile(`^(?:\d{1,5}(?:\.\d{1,6})?|100000)$`)
	multiplierPattern = regexp.MustCompile(`^\d{1,2}(?:\.\d{1,3})?$`)
	dollarsPattern    = regexp.MustCompile(`^\d{1,3}(?:\.\d{1,6})?$`)
	tokensPattern     = regexp.MustCompile(`^\d{1,12}$`)
	decorated         = regexp.MustCompile(`(?:\[[^\]]*\]|@[a-z0-9-]+|-v\d+(?::\d+)*|-\d{8}|-latest|-fast)+$`)
)

// check looks at every field of a row and fills in what may be left out.
func (r *Row) check(name string, faults *project.Faults) {
	for _, field := range order {
		c, value := columns[field], r.Fields[field]
		if value == "" {
			if !c.optional {
				fault(faults, name, r.Line, "%s is missing", field)
			}
			r.Fields[field] = c.missing
			continue
		}
		if expected := c.kind.refuse(value); expected != "" {
			fault(faults, name, r.Line, "%s %q: %s", field, value, expected)
		}
	}
	r.from, _ = time.Parse(time.DateOnly, r.Fields["effective_from"]) // an unreadable one is a fault already
	r.to, _ = time.Parse(time.DateOnly, r.Fields["effective_to"])
	if !r.from.IsZero() && !r.to.IsZero() && !r.from.Before(r.to) {
		fault(faults, name, r.Line, "effective_to %s must be after effective_from %s: it is the first day on which the price holds no more",
			r.Fields["effective_to"], r.Fields["effective_from"])
	}
}

// refuse says what a value should have been; empty if it is good.
func (k kind) refuse(value string) string {
	switch k {
	case model:
		if bare := Bare(value); bare != value {
			return "write the model as requests are matched with it: " + strconv.Quote(bare)
		}
	case day:
		if _, err := time.Parse(time.DateOnly, value); err != nil {
			return "write a day as 2026-01-31, or leave it empty"
		}
	case tokens:
		if !tokensPattern.MatchString(value) {
			return "write a whole number of tokens"
		}
	case rate:
		if !ratePattern.MatchString(value) {
			return "write US dollars for a million tokens: 0 to 100000, at most six decimals"
		}
	case multiplier:
		if !multiplierPattern.MatchString(value) {
			return "write a multiplier such as 1.1: below 100, at most three decimals"
		}
	case dollars:
		if !dollarsPattern.MatchString(value) {
			return "write US dollars such as 0.01: below 1000, at most six decimals"
		}
	}
	return ""
}

// Bare is a model's name without version date, provider, region and the like: what fct_api_requests has as model_id.
func Bare(model string) string {
	name := strings.ToLower(strings.TrimSpace(model))
	name = name[strings.LastIndexByte(name, '/')+1:]
	if _, rest, found := strings.Cut(name, "anthropic."); found {
		name = rest
	}
	name = decorated.ReplaceAllString(name, "")
	if strings.HasPrefix(name, "claude-") {
		name = strings.ReplaceAll(name, ".", "-")
	}
	switch name {
	case "claude-opus-4-0":
		return "claude-opus-4"
	case "claude-sonnet-4-0":
		return "claude-sonnet-4"
	}
	return name
}

// checkOverlaps finds rows of one model and size of prompt that hold on the same day: which one counts would be chance.
func checkOverlaps(name string, rows []Row, faults *project.Faults) {
	byKey := map[string][]Row{}
	for _, row := range rows {
		key := row.Fields["model_id"] + "\x00" + strings.TrimLeft(row.Fields["prompt_min"], "0")
		byKey[key] = append(byKey[key], row)
	}
	for _, group := range byKey {
		sort.SliceStable(group, func(i, j int) bool { return group[i].from.Before(group[j].from) })
		for i := 1; i < len(group); i++ {
			before, row := group[i-1], group[i]
			if !before.to.IsZero() && !before.to.After(row.from) {
				continue
			}
			since := "every day"
			if !row.from.IsZero() {
				since = row.from.Format(time.DateOnly)
			}
			fault(faults, name, max(row.Line, before.Line), "%s has another price for the same size of prompt in line %d: both hold from %s; end one with effective_to",
				row.Fields["model_id"], min(row.Line, before.Line), since)
		}
	}
	sort.SliceStable(*faults, func(i, j int) bool { return (*faults)[i].Line < (*faults)[j].Line })
}
