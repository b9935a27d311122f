package main

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// TestRequestsAreRead: what a request cannot have meant reaches nobody, and the answer says what would be known.
func TestRequestsAreRead(t *testing.T) {
	t.Parallel()
	reached := false
	gc := endpoint("gc", func(context.Context, gcRequest) (gcReport, error) { reached = true; return gcReport{}, nil })
	for body, wants := range map[string][]string{
		`{"older_than":"30d","dryrun":true}`: {`"dryrun"`, "older_than", "dry_run"},
		`{"older_than":"30d"} {}`:            {"goes on behind"},
		`{"older_than":"30d"`:                {"cannot be read"},
		`{"older_than":30}`:                  {"older_than"},
		`null`:                               {"JSON object"},
		`"30d"`:                              {"JSON object"},
	} {
		_, err := gc.Handle(t.Context(), []byte(body))
		if reached || err == nil {
			t.Fatalf("%s was taken: %v", body, err)
		}
		for _, want := range wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", body, err, want)
			}
		}
	}
	for _, body := range []string{"", " \n", "{}", `{"older_than":"30d","dry_run":true}`} {
		if _, err := gc.Handle(t.Context(), []byte(body)); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
	if _, err := decodeRequest[dlqRequest]([]byte(`{"action":"drop","resaon":"x"}`)); err == nil || !strings.Contains(err.Error(), "text_bytes") || !strings.Contains(err.Error(), "reason") {
		t.Errorf("dlq: %v", err)
	}
	if _, err := decodeRequest[replayRequest]([]byte(`{"form_seq":1}`)); err == nil {
		t.Error("a misspelt bound of a replay was taken")
	}
	if _, err := decodeRequest[struct{}]([]byte(`{"deep":true}`)); err == nil {
		t.Error("a field was taken where none is known")
	}
}

// TestLetterFilter: a reason that no letter can have is a typo, not an empty box.
func TestLetterFilter(t *testing.T) {
	t.Parallel()
	for _, r := range []dlqRequest{
		{letterFilter: letterFilter{Reason: "bogus"}}, {letterFilter: letterFilter{Since: "soon"}}, {Limit: -3}, {From: -1}, {TextBytes: -1},
	} {
		var usage usageError
		if err := r.check(); !errors.As(err, &usage) {
			t.Errorf("%+v: %v", r, err)
		}
	}
	if err := (dlqRequest{letterFilter: letterFilter{Reason: "too_large", Since: "2026-11-01"}, Limit: 3}).check(); err != nil {
		t.Error(err)
	}
}

// TestQueryBounds: a bound that cannot be kept to is refused, not replaced by another.
func TestQueryBounds(t *testing.T) {
	t.Parallel()
	for _, r := range []queryRequest{
		{SQL: "SELECT 1", Timeout: "nope"},
		{SQL: "SELECT 1", Timeout: "0s"},
		{SQL: "SELECT 1", Timeout: "24h"},
		{SQL: "SELECT 1", Limit: -1},
		{SQL: "SELECT 1", Limit: 2_000_000},
		{SQL: " "},
	} {
		if _, err := r.limits(); err == nil {
			t.Errorf("%+v was taken", r)
		}
	}
	limits, err := queryRequest{SQL: "SELECT 1"}.limits()
	if err != nil || limits.Rows != usualRows || limits.Timeout != usualTime {
		t.Errorf("%+v, %v", limits, err)
	}
}
