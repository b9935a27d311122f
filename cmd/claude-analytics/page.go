package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"claude-analytics/dashboard/api"
	"claude-analytics/sink"
)

// pageLetters does for the page what the endpoint claude-analytics.dlq does for commands.
func (s *service) pageLetters(ctx context.Context, r api.LetterRequest) (any, error) {
	answer, err := (&letterBox{conn: s.conn, sink: s.sink, cfg: s.cfg}).do(ctx, dlqRequest{
		Action: r.Action, All: r.All, Limit: r.Limit, After: r.After, From: r.From, TextBytes: r.TextBytes,
		letterFilter: letterFilter{IDs: r.IDs, Source: r.Source, Reason: r.Reason, Session: r.Session, Project: r.Project},
	})
	var usage usageError
	switch {
	case errors.Is(err, errNoLetter):
		return nil, api.NewError(http.StatusNotFound, api.CodeNotFound, err.Error(), "It was retried or dropped meanwhile; /api/v1/dead-letters lists those there are.")
	case errors.Is(err, sink.ErrNotRunning):
		return nil, api.NewError(http.StatusServiceUnavailable, api.CodeStarting, err.Error(), "Try again once /api/v1/status says that the sink is running.")
	case errors.As(err, &usage):
		return nil, api.NewError(http.StatusBadRequest, api.CodeBadRequest, err.Error(), "See `claude-analytics dlq --help`.")
	}
	return answer, err
}

// pageDocument gives the page a document as it was read.
func (s *service) pageDocument(ctx context.Context, epoch, seq uint64) (json.RawMessage, error) {
	change, err := s.sink.ChangeAt(ctx, epoch, seq)
	if errors.Is(err, sink.ErrNoChange) {
		return nil, api.NewError(http.StatusNotFound, api.CodeNotFound, err.Error(),
			"It was erased, or `claude-analytics verify` will name message "+strconv.FormatUint(seq, 10)+" as missing from the lake.")
	}
	if err != nil {
		return nil, err
	}
	text, err := extendedJSON(bson.Raw(change.GetDocument()))
	if err != nil {
		return nil, err
	}
	return json.RawMessage(text), nil
}
