package main

import (
	"context"
	"fmt"
	"strings"

	"claude-analytics/modeler"
)

// transformAnswer is what a refresh did, and how the tests of what was selected stand after it.
type transformAnswer struct {
	modeler.Result
	Tests modeler.TestSummary `json:"tests"`
}

// transform refreshes the models and runs their tests, as `dbt build` does.
func (s *service) transform(ctx context.Context, r transformRequest) (answer transformAnswer, err error) {
	if answer.Result, err = s.refresh(ctx, r.options()); err != nil {
		return answer, err
	}
	results, err := s.modeler.Test(ctx, r.Select, r.Exclude)
	answer.Tests = modeler.Summarize(results)
	return answer, err
}

// verdict is an error with the exit code of a data check if a test failed; warnings are none.
func (a transformAnswer) verdict() error {
	var names []string
	for _, r := range a.Tests.Failing {
		if r.Failed() {
			names = append(names, r.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("%d tests of the models failed: %s (see meta.test_results): %w", len(names), strings.Join(names, ", "), errCheckFailed)
}

// testLines are a summary in words: one line, and one for each test that does not pass.
func testLines(s modeler.TestSummary) []string {
	if s.Passed+s.Warned+s.Failed+s.Due == 0 {
		return nil
	}
	first := fmt.Sprintf("%d passed, %d warned, %d failed", s.Passed, s.Warned, s.Failed)
	if s.Due > 0 {
		first += fmt.Sprintf(", %d to be run over their whole tables", s.Due)
	}
	lines := []string{first}
	for _, r := range s.Failing {
		lines = append(lines, fmt.Sprintf("%-5s %s: %s", r.Status, r.Name, firstLine(r.Message)))
	}
	return lines
}

func firstLine(text string) string {
	line, more, cut := strings.Cut(text, "\n")
	if cut && more != "" {
		line += " ..."
	}
	return line
}

func printTests(e *env, s modeler.TestSummary) {
	for i, text := range testLines(s) {
		if i == 0 {
			text = "tests: " + text
		}
		e.println(text)
	}
}
