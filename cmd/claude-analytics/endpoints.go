package main

import (
	"context"
	"encoding/json"
	"fmt"

	"claude-analytics/internal/stream"
)

// serveEndpoints answers requests on claude-analytics.<name>; only the service that owns the warehouse does.
func (s *service) serveEndpoints(ctx context.Context) (stop func(), err error) {
	if !s.roles.http || s.db == nil {
		return func() {}, nil
	}
	stop, err = s.conn.Serve(ctx, []stream.Endpoint{
		endpoint("status", func(ctx context.Context, _ struct{}) (statusReport, error) { return s.status(ctx) }),
		endpoint("query", func(ctx context.Context, r queryRequest) (queryAnswer, error) { return s.query(ctx, r) }),
		endpoint("transform", s.transform),
		endpoint("replay", s.replay),
		endpoint("dlq", (&letterBox{conn: s.conn, sink: s.sink, cfg: s.cfg}).do),
		endpoint("gc", s.answerGC),
		endpoint("doctor", func(ctx context.Context, _ struct{}) ([]finding, error) { return s.examine(ctx), nil }),
	})
	if err != nil {
		return nil, fmt.Errorf("serve requests: %w", err)
	}
	return stop, nil
}

// endpoint decodes a request's JSON, calls handle, and encodes its answer. An empty body is the empty request.
func endpoint[Request, Answer any](name string, handle func(context.Context, Request) (Answer, error)) stream.Endpoint {
	return stream.Endpoint{Name: name, Handle: func(ctx context.Context, body []byte) ([]byte, error) {
		var request Request
		if len(body) > 0 {
			if err := json.Unmarshal(body, &request); err != nil {
				return nil, fmt.Errorf("the request must be JSON: %w", err)
			}
		}
		answer, err := handle(ctx, request)
		if err != nil {
			return nil, err
		}
		return json.Marshal(answer)
	}}
}
