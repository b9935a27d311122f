package main

import (
	"context"
	"errors"

	"github.com/rs/zerolog"

	"claude-analytics/internal/config"
	"claude-analytics/modeler"
)

// transformCmd refreshes the models.
type transformCmd struct {
	Models      []string `help:"dbt selectors: names, staging.*, tag:x, +model+, config.materialized:view; comma: and, space: or." placeholder:"SELECTOR"`
	Exclude     []string `help:"Selectors to leave out." placeholder:"SELECTOR"`
	FullRefresh bool     `help:"Rebuild instead of replacing what changed."`
	Threads     int      `help:"DuckDB threads (DUCKDB_THREADS); offline only." placeholder:"N"`
	JSON        bool     `help:"For programs."`
}

// transformRequest is the body of a request to claude-analytics.transform.
type transformRequest struct {
	Select  []string `json:"select,omitempty"`
	Exclude []string `json:"exclude,omitempty"`
	Full    bool     `json:"full,omitempty"`
}

// Run asks the service, or opens the warehouse.
func (c *transformCmd) Run(ctx context.Context, e *env) error {
	if c.Threads < 0 {
		return usagef("--threads must not be negative")
	}
	cfg, log, err := e.startOnce(nil)
	if err != nil {
		return err
	}
	request := transformRequest{Select: c.Models, Exclude: c.Exclude, Full: c.FullRefresh}
	result, err := transform(ctx, cfg, log, request, c.Threads)
	if err != nil {
		return err
	}
	if c.JSON {
		return errors.Join(writeJSON(e.stdout, result), result.verdict())
	}
	printResult(e, result.Result)
	printTests(e, result.Tests)
	return result.verdict()
}

func transform(ctx context.Context, cfg config.Loaded, log zerolog.Logger, request transformRequest, threads int) (result transformAnswer, err error) {
	service, err := live(ctx, cfg)
	switch {
	case err == nil:
		defer service.Close()
		return ask[transformAnswer](ctx, service, "transform", request)
	case !errors.Is(err, errNoService):
		return transformAnswer{}, err
	}
	if threads > 0 {
		cfg.DuckDBThreads = threads
	}
	s := newService(cfg, roles{command: "transform", modeler: true}, log)
	defer func() { err = errors.Join(err, s.close()) }()
	if err = s.open(ctx, serviceOptions{}); err != nil {
		return result, err
	}
	if result, err = s.transform(ctx, request); err == nil {
		s.publishLast(ctx)
	}
	return result, err
}

// errPartial says that marts would be made of a part of what there is.
var errPartial = errors.New("the warehouse is only partly filled from the lake: `claude-analytics load`, or the start of the service, finishes that; then run this again")

// refresh refreshes the models, unless the warehouse is being rebuilt.
func (s *service) refresh(ctx context.Context, opt modeler.Options) (modeler.Result, error) {
	partial, err := s.sink.Bronze().Rebuilding(ctx)
	if err != nil {
		return modeler.Result{}, err
	}
	if partial {
		return modeler.Result{}, errPartial
	}
	result, err := s.modeler.Refresh(ctx, opt)
	if errors.Is(err, modeler.ErrSelector) {
		err = usageError{err}
	}
	return result, err
}

func (r transformRequest) options() modeler.Options {
	return modeler.Options{Select: r.Select, Exclude: r.Exclude, Full: r.Full}
}

func printResult(e *env, result modeler.Result) {
	t := table{head: []string{"model", "rows", "seconds"}, right: map[int]bool{1: true, 2: true}}
	for _, model := range result.Models {
		t.add(model.Name, count(model.Rows), seconds(model.Seconds))
	}
	t.write(e.stdout)
	for _, rule := range result.Rules {
		if rule.From > 0 {
			e.printf("rule %s: version %d became %d, what follows it was rebuilt\n", rule.Rule, rule.From, rule.To)
		}
	}
	e.printf("%s refresh of %s changed sessions in %s s\n", result.Kind, count(result.ChangedSessions), seconds(result.Seconds))
}
