package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"claude-analytics/internal/config"
	"claude-analytics/modeler"
	"claude-analytics/proto"
)

// pipelineCmd is one run of all steps, as the hourly and the nightly runs of a batch platform.
type pipelineCmd struct {
	sourceFlags
	SkipExtract   bool     `help:"Leave out the first step."`
	SkipLoad      bool     `help:"Leave out the second step."`
	SkipTransform bool     `help:"Leave out the third step."`
	SkipValidate  bool     `help:"Leave out the fourth step."`
	FullBackfill  bool     `help:"Read the sources from their beginning."`
	FullRefresh   bool     `help:"Rebuild all models."`
	Models        []string `help:"Only these models (dbt selectors)." placeholder:"SELECTOR"`
	JSON          bool     `help:"For programs."`
}

// stepReport is what one step did.
type stepReport struct {
	Step    string  `json:"step"`
	Outcome string  `json:"outcome"` // done, skipped, failed
	Detail  string  `json:"detail,omitempty"`
	Seconds float64 `json:"seconds"`
}

// Run makes the run. A step that fails is tried again by the policy; then the run has failed, and the last good marts stay.
func (c *pipelineCmd) Run(ctx context.Context, e *env) error {
	cfg, log, err := e.startOnce(c.settings())
	if err != nil {
		return err
	}
	// The models are the third step's: hours may go by until then.
	if err := modeler.CheckSelectors(c.Models, nil); errors.Is(err, modeler.ErrSelector) {
		return usageError{err}
	}
	steps := []struct {
		name  string
		skip  bool
		retry retryPolicy
		run   func(context.Context) (string, error)
	}{
		{"extract", c.SkipExtract, retryExtract, func(ctx context.Context) (string, error) { return c.extract(ctx, e, cfg, log) }},
		{"load", c.SkipLoad, retryLoad, func(ctx context.Context) (string, error) { return c.load(ctx, e, cfg, log) }},
		{"transform", c.SkipTransform, retryTransform, func(ctx context.Context) (string, error) { return c.transform(ctx, cfg, log) }},
		{"validate", c.SkipValidate, retryPolicy{}, func(context.Context) (string, error) { return "no suites yet", nil }},
	}
	var reports []stepReport
	var failed error
	for _, step := range steps {
		report := stepReport{Step: step.name, Outcome: "skipped"}
		if !step.skip && failed == nil {
			began := time.Now()
			failed = step.retry.do(ctx, log, step.name, func(ctx context.Context) (err error) {
				report.Detail, err = step.run(ctx)
				return err
			})
			report.Outcome, report.Seconds = "done", time.Since(began).Seconds()
			if failed != nil {
				report.Outcome, report.Detail = "failed", failed.Error()
				failed = fmt.Errorf("%s: %w", step.name, failed)
			}
		}
		reports = append(reports, report)
		if !c.JSON {
			e.printf("%-10s %-8s %8s s  %s\n", report.Step, report.Outcome, seconds(report.Seconds), report.Detail)
		}
	}
	announce(ctx, cfg, log, reports)
	if c.JSON {
		return errors.Join(writeJSON(e.stdout, reports), failed)
	}
	return failed
}

func (c *pipelineCmd) extract(ctx context.Context, e *env, cfg config.Loaded, log zerolog.Logger) (string, error) {
	status, err := extract(ctx, e, cfg, log, serviceOptions{backfill: c.FullBackfill})
	return count(sum(status).Documents) + " objects published", err
}

func (c *pipelineCmd) load(ctx context.Context, e *env, cfg config.Loaded, log zerolog.Logger) (string, error) {
	answer, err := (&loadCmd{}).load(ctx, e, cfg, log)
	return count(answer.Sink.Warehouse.Rows) + " rows applied, " + answer.Mode, err
}

func (c *pipelineCmd) transform(ctx context.Context, cfg config.Loaded, log zerolog.Logger) (string, error) {
	result, err := transform(ctx, cfg, log, transformRequest{Select: c.Models, Full: c.FullRefresh}, 0)
	if err != nil {
		return "", err
	}
	return describe(result), result.verdict()
}

func describe(result transformAnswer) string {
	return fmt.Sprintf("%s refresh, %s changed sessions, %d models, %d tests passed", result.Kind, count(result.ChangedSessions), len(result.Models), result.Tests.Passed)
}

// announce publishes the event pipeline.run if a service is there to carry it.
func announce(ctx context.Context, cfg config.Loaded, log zerolog.Logger, reports []stepReport) {
	service, err := live(ctx, cfg)
	if err != nil {
		return // offline: nobody listens
	}
	defer service.Close()
	if err := service.Emit(proto.EventPipelineRun, reports); err != nil {
		log.Warn().Err(err).Msg("the event of this run could not be published")
	}
}
