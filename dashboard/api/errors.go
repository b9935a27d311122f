package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"claude-analytics/internal/warehouse"
)

// Error is what a request that failed is answered with.
type Error struct {
	// Text says what is wrong, in a sentence.
	Text string `json:"error"`
	// Code is one of a closed set, for programs.
	Code string `json:"code"`
	// Remedy says what to do.
	Remedy string `json:"remedy"`

	status int
}

// Error implements error.
func (e *Error) Error() string { return e.Text }

// The codes.
const (
	CodeStarting     = "starting"
	CodeNoWarehouse  = "no_warehouse"
	CodeNotPublished = "not_published"
	CodeBadRequest   = "bad_request"
	CodeBadValue     = "bad_value"
	CodeUnknownTable = "unknown_table"
	CodeUnknownPanel = "unknown_panel"
	CodeUnknownName  = "unknown_column"
	CodeModelMissing = "model_missing"
	CodeRefused      = "query_refused"
	CodeBadSQL       = "bad_sql"
	CodeTimeout      = "timeout"
	CodeMemory       = "out_of_memory"
	CodeTooLarge     = "too_large"
	CodeBusy         = "busy"
	CodeUnauthorized = "unauthorized"
	CodeForbidden    = "forbidden"
	CodeNotFound     = "not_found"
	CodeMethod       = "method_not_allowed"
	CodeInternal     = "internal"
)

// Codes are all codes, as the OpenAPI document lists them.
func Codes() []string {
	return []string{
		CodeStarting, CodeNoWarehouse, CodeNotPublished, CodeBadRequest, CodeBadValue, CodeUnknownTable, CodeUnknownPanel, CodeUnknownName,
		CodeModelMissing, CodeRefused, CodeBadSQL, CodeTimeout, CodeMemory, CodeTooLarge, CodeBusy, CodeUnauthorized, CodeForbidden,
		CodeNotFound, CodeMethod, CodeInternal,
	}
}

// NewError makes one; status is HTTP's.
func NewError(status int, code, text, remedy string) *Error {
	return &Error{Text: text, Code: code, Remedy: remedy, status: status}
}

func badRequest(text, remedy string) *Error {
	return NewError(http.StatusBadRequest, CodeBadRequest, text, remedy)
}

// explain gives every error a status, a code and a remedy.
func explain(err error) *Error {
	var known *Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, warehouse.ErrNotPublished):
		return NewError(http.StatusServiceUnavailable, CodeNotPublished, err.Error(), "Wait for the first refresh, a few seconds after the first document; /api/v1/status shows it.")
	case errors.Is(err, warehouse.ErrRefused):
		return NewError(http.StatusBadRequest, CodeRefused, plain(err), "Send one SELECT (or WITH, FROM, VALUES, EXPLAIN, DESCRIBE, SHOW, SUMMARIZE) on the tables of /api/v1/catalog.")
	case errors.Is(err, context.DeadlineExceeded):
		return NewError(http.StatusRequestTimeout, CodeTimeout, plain(err), "Narrow it by date, aggregate, or ask for fewer rows.")
	case errors.Is(err, warehouse.ErrOutOfMemory):
		return NewError(http.StatusUnprocessableEntity, CodeMemory, "the query needs more memory than one may take", "Narrow it by date, aggregate earlier, or avoid sorting and listing whole tables.")
	case warehouse.IsBadValue(err):
		return NewError(http.StatusBadRequest, CodeBadValue, plain(err), "Give values in the column's type: dates as 2026-01-31, times as 2026-01-31T12:00:00Z; /api/v1/catalog names the types.")
	case warehouse.IsBadSQL(err):
		return NewError(http.StatusBadRequest, CodeBadSQL, plain(err), "Mend the SQL; /api/v1/catalog names tables and columns.")
	case errors.Is(err, warehouse.ErrClosed), errors.Is(err, context.Canceled):
		return NewError(http.StatusServiceUnavailable, CodeStarting, "the service is stopping", "Ask again in a moment.")
	}
	var fault *warehouse.Fault
	if errors.As(err, &fault) {
		return NewError(http.StatusInternalServerError, CodeInternal, fault.Kind.Error(), fault.Remedy)
	}
	return NewError(http.StatusInternalServerError, CodeInternal, plain(err), "Look into the service's log; `claude-analytics doctor` names misconfigurations.")
}

// plain is an error's text without the trail of what was being done.
func plain(err error) string {
	text := err.Error()
	for {
		rest, found := strings.CutPrefix(text, "query: ")
		if !found {
			return text
		}
		text = rest
	}
}
