package main

import (
	"strconv"
	"strings"
)

// heads are what the first column is called.
var heads = map[string]string{"daily": "day", "monthly": "month", "session": "session", "project": "project", "model": "model"}

func printUsage(e *env, kind string, rows []*usageRow, totals usageRow) {
	t := table{head: []string{heads[kind], "models", "input", "output", "cache write", "cache read", "total", "cost $"}}
	t.right = map[int]bool{2: true, 3: true, 4: true, 5: true, 6: true, 7: true}
	if kind == "model" {
		t.head[1] = "written as"
	}
	add := func(label string, row *usageRow) {
		t.add(label, strings.Join(row.ModelsUsed, ", "), count(row.InputTokens), row.output(), count(row.CacheCreationTokens),
			count(row.CacheReadTokens), count(row.TotalTokens), row.cost())
	}
	for _, row := range rows {
		add(row.label(kind), row)
	}
	add("total", &totals)
	t.write(e.stdout)
	totals.notes(e)
}

// label is what people call a row.
func (r *usageRow) label(kind string) string {
	switch kind {
	case "session":
		title := []rune(strings.Join(strings.Fields(r.Title), " "))
		if len(title) > 40 {
			title = append(title[:39], '…')
		}
		return strings.TrimSpace(r.Period + " " + string(title))
	case "project":
		return strings.TrimSpace(r.ProjectName + " " + r.Period)
	}
	return r.Period
}

// output marks a sum that holds placeholders.
func (c *counts) output() string {
	if c.LowerBound > 0 {
		return "≥ " + count(c.OutputTokens)
	}
	return count(c.OutputTokens)
}

// cost marks a sum that lacks something.
func (c *counts) cost() string {
	text := dollars(c.TotalCost.String())
	if c.UnpricedRequests > 0 {
		return text + " *"
	}
	return text
}

// dollars rounds to cents; what is less than half of one is shown as it is, in four digits.
func dollars(exact string) string {
	value, err := strconv.ParseFloat(exact, 64)
	if err != nil {
		return exact
	}
	if value > 0 && value < 0.005 {
		return strconv.FormatFloat(value, 'f', 4, 64)
	}
	whole, cents, _ := strings.Cut(strconv.FormatFloat(value, 'f', 2, 64), ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return exact
	}
	return count(n) + "." + cents
}

// notes says what is doubtful, with the counts.
func (c *confidence) notes(e *env) {
	e.printf("\nAPI-equivalent cost in US dollars; a subscription is billed otherwise.\n")
	if c.UnpricedRequests > 0 {
		e.printf("*  without the cost of %s (%s tokens) for which there is no price; PRICES names a file with prices of your own.\n",
			plural(c.UnpricedRequests, "request"), count(c.UnpricedTokens))
	}
	if c.LowerBound > 0 {
		e.printf("≥  the output of %s is a lower bound: CLI 2.1.7 to 2.1.50 wrote placeholders.\n", plural(c.LowerBound, "request"))
	}
	if c.Incomplete > 0 {
		e.printf("   the final usage of %s is missing, so the cost may be higher.\n", plural(c.Incomplete, "request"))
	}
}

func plural(n int64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return count(n) + " " + word + "s"
}
