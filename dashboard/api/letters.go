package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
)

// maxLetterRequest bounds the body of a request about dead letters: some hundred ids.
const maxLetterRequest = 64 << 10

// LetterRequest is what is asked of the dead letters; what it means is what the endpoint claude-analytics.dlq says.
type LetterRequest struct {
	Action    string   `json:"action"`
	IDs       []string `json:"ids,omitempty"`
	Source    string   `json:"source,omitempty"`
	Reason    string   `json:"reason,omitempty"`
	Session   string   `json:"session,omitempty"`
	Project   string   `json:"project,omitempty"`
	All       bool     `json:"all,omitempty"`
	Limit     int      `json:"limit,omitempty"`
	After     uint64   `json:"after,omitempty"`
	From      int      `json:"from,omitempty"`
	TextBytes int      `json:"text_bytes,omitempty"`
}

// Letters answers what is asked of the dead letters.
type Letters func(context.Context, LetterRequest) (any, error)

func (a *API) askLetters(w http.ResponseWriter, r *http.Request, asked LetterRequest) error {
	if _, err := a.warehouse(); err != nil {
		return err
	}
	answer, err := a.cfg.Letters(r.Context(), asked)
	if err != nil {
		return err
	}
	sendJSON(w, r, http.StatusOK, answer, "")
	return nil
}

// letters answers GET /api/v1/dead-letters.
func (a *API) letters(w http.ResponseWriter, r *http.Request, values url.Values) (err error) {
	asked := LetterRequest{
		Action: "list", Source: values.Get("source"), Reason: values.Get("reason"), Session: values.Get("session"), Project: values.Get("project"),
	}
	if asked.Limit, err = whole(values, "limit", 50, 1, 500); err != nil {
		return err
	}
	after, err := whole(values, "after", 0, 0, 1<<53)
	if err != nil {
		return err
	}
	asked.After = uint64(after) //nolint:gosec // it is not negative
	return a.askLetters(w, r, asked)
}

// letter answers GET /api/v1/dead-letters/<id>: what it holds, a piece at a time.
func (a *API) letter(w http.ResponseWriter, r *http.Request, values url.Values) error {
	from, err := whole(values, "from", 0, 0, 1<<40)
	if err != nil {
		return err
	}
	return a.askLetters(w, r, LetterRequest{Action: "show", IDs: []string{r.PathValue("id")}, From: from, TextBytes: 32 << 10})
}

// retryLetters and dropLetters answer the POSTs. What they concern stands in the body: a page cannot do either by a link.
func (a *API) retryLetters(w http.ResponseWriter, r *http.Request, _ url.Values) error {
	return a.workLetters(w, r, "retry")
}

func (a *API) dropLetters(w http.ResponseWriter, r *http.Request, _ url.Values) error {
	return a.workLetters(w, r, "drop")
}

func (a *API) workLetters(w http.ResponseWriter, r *http.Request, action string) error {
	const example = `Send {"ids": ["…"]}, {"reason": "too_large"} or {"all": true} as application/json.`
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" { // one that cannot be read is not JSON
		return NewError(http.StatusUnsupportedMediaType, CodeBadRequest, fmt.Sprintf("the body's type is %q", short(kind)), example)
	}
	var asked struct {
		IDs     []string `json:"ids"`
		Source  string   `json:"source"`
		Reason  string   `json:"reason"`
		Session string   `json:"session"`
		Project string   `json:"project"`
		All     bool     `json:"all"`
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxLetterRequest))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&asked)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return NewError(http.StatusRequestEntityTooLarge, CodeTooLarge, fmt.Sprintf("the body has more than %d bytes", maxLetterRequest), "Name fewer letters at a time.")
	case err != nil:
		return badRequest("the body is not what is expected: "+err.Error(), example)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return badRequest("the body goes on behind its object", example)
	}
	if len(asked.IDs) == 0 && asked.Source == "" && asked.Reason == "" && asked.Session == "" && asked.Project == "" && !asked.All {
		return badRequest("the body does not say which letters", example)
	}
	return a.askLetters(w, r, LetterRequest{
		Action: action, IDs: asked.IDs, Source: asked.Source, Reason: asked.Reason, Session: asked.Session, Project: asked.Project, All: asked.All,
	})
}
