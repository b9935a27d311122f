package main

import (
	"fmt"
	"strconv"
	"strings"
)

// print writes the report for people: a table with totals, and below it what is doubtful.
func (r *report) print(e *env) {
	if len(r.Rows) == 0 {
		e.println("Nothing to report: no request in this range.")
		return
	}
	switch r.kind {
	case "tool":
		r.printTools(e)
	case "blocks":
		r.printBlocks(e)
	default:
		r.printUsage(e)
	}
	r.printNotes(e)
}

// heads are what the first column is called.
var heads = map[string]string{"daily": "day", "monthly": "month", "session": "session", "project": "project", "model": "model"}

func (r *report) printUsage(e *env) {
	t := table{head: []string{heads[r.kind], "models", "input", "output", "cache write", "cache read", "total", "cost $"}}
	t.right = map[int]bool{2: true, 3: true, 4: true, 5: true, 6: true, 7: true}
	if r.kind == "model" {
		t.head[1] = "written as"
	}
	add := func(label, models string, row *reportRow) {
		t.add(label, models, count(row.InputTokens), row.output(), count(row.CacheCreationTokens), count(row.CacheReadTokens),
			count(row.TotalTokens), row.cost())
	}
	for _, row := range r.Rows {
		add(row.label(r.kind), strings.Join(row.ModelsUsed, ", "), row)
	}
	add("total", "", &r.Totals)
	t.write(e.stdout)
}

// label is what people call a row.
func (r *reportRow) label(kind string) string {
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

// printNotes says what is doubtful, with the counts.
func (r *report) printNotes(e *env) {
	t := &r.Totals
	e.printf("\nAPI-equivalent cost in US dollars; a subscription is billed otherwise.\n")
	if t.UnpricedRequests > 0 {
		e.printf("*  without the %s of %s requests (%s tokens) that have no price; PRICES names a file with prices of your own.\n",
			plural(t.UnpricedRequests, "cost"), count(t.UnpricedRequests), count(t.UnpricedTokens))
	}
	if t.LowerBound > 0 {
		e.printf("≥  the output of %s requests is a lower bound: CLI 2.1.7 to 2.1.50 wrote placeholders.\n", count(t.LowerBound))
	}
	if t.IncompleteUsage > 0 {
		e.printf("   the final usage of %s requests is missing, so they may have cost more.\n", count(t.IncompleteUsage))
	}
}

func plural(n int64, word string) string {
	if n == 1 {
		return word
	}
	return fmt.Sprint(word, "s")
}
