package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"claude-analytics/internal/stream"
	"claude-analytics/sink/bronze"
	"claude-analytics/verify"
)

// serveEndpoints answers requests on claude-analytics.<name>; only the service that owns the warehouse does.
func (s *service) serveEndpoints(ctx context.Context) (stop func(), err error) {
	if !s.roles.http || s.db == nil {
		return func() {}, nil
	}
	stop, err = s.conn.Serve(ctx, []stream.Endpoint{
		endpoint("status", func(ctx context.Context, _ struct{}) (statusReport, error) { return s.status(ctx) }),
		endpoint("query", func(ctx context.Context, r queryRequest) (queryAnswer, error) { return s.query(ctx, r) }),
		endpoint("stats", func(ctx context.Context, _ struct{}) (bronze.TableStats, error) { return s.sink.Bronze().Stats(ctx) }),
		endpoint("transform", s.transform),
		endpoint("replay", s.replay),
		endpoint("dlq", (&letterBox{conn: s.conn, sink: s.sink, cfg: s.cfg}).do),
		endpoint("gc", s.answerGC),
		endpoint("verify", func(ctx context.Context, r verifyRequest) (verify.Report, error) { return s.verify(ctx, r) }),
		endpoint("doctor", func(ctx context.Context, _ struct{}) ([]finding, error) { return s.examine(ctx), nil }),
	})
	if err != nil {
		return nil, fmt.Errorf("serve requests: %w", err)
	}
	return stop, nil
}

// endpoint decodes a request's JSON, calls handle, and encodes its answer. A fault of the request is told apart from one of
// the service.
func endpoint[Request, Answer any](name string, handle func(context.Context, Request) (Answer, error)) stream.Endpoint {
	return stream.Endpoint{Name: name, Handle: func(ctx context.Context, body []byte) ([]byte, error) {
		request, err := decodeRequest[Request](body)
		if err != nil {
			return nil, stream.BadRequest(err)
		}
		answer, err := handle(ctx, request)
		var usage usageError
		switch {
		case errors.As(err, &usage):
			return nil, stream.BadRequest(err)
		case err != nil:
			return nil, err
		}
		return json.Marshal(answer)
	}}
}
