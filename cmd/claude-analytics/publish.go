package main

import (
	"context"
	"fmt"
	"os"

	"github.com/rs/zerolog"

	"claude-analytics/dashboard/api"
	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler"
	"claude-analytics/modeler/project"
)

// openCopies prepares the published copy: the gold layer in a file of its own, for what people ask.
func (s *service) openCopies() error {
	models, err := project.Load(modeler.Models(), nil)
	if err != nil {
		return fmt.Errorf("read the models: %w", err)
	}
	s.copies = warehouse.NewPublisher(warehouse.PublisherConfig{
		Path: s.cfg.MartsPath(), Sandbox: sandbox(s.log), Describe: func(table string) warehouse.Comments { return comments(models.Node(table)) },
		OnPublish: func(published warehouse.Published) {
			if s.http != nil {
				s.http.API().Published(published.Version)
			}
		},
	}, s.db, s.log)
	registerPublishing(s.registry, s.copies.Status)
	if s.http != nil {
		s.http.API().Attach(api.Warehouse{DB: s.db, Copy: s.copies.Copy(), Models: models, Zone: s.cfg.ReportTZ})
	}
	return nil
}

// comments are a model's descriptions, as _schema.yml has them.
func comments(model *project.Node) warehouse.Comments {
	if model == nil {
		return warehouse.Comments{}
	}
	out := warehouse.Comments{Table: model.Description, Columns: map[string]string{}}
	for _, column := range model.Columns {
		out.Columns[column.Name] = column.Description
	}
	return out
}

// publishLast makes the last copy of what has done its work, however long that takes: only who is told to stop hurries.
func (s *service) publishLast(ctx context.Context) {
	if s.copies == nil {
		return
	}
	if err := s.copies.Flush(ctx); err != nil {
		s.log.Warn().Err(err).Msg("the marts were not published; it is tried once more at the end")
	}
}

// closeCopies makes the last copy, if the marts have changed since the one before, so that what stands in DATA_DIR is
// the state that the process left. It is not worth failing for: the next start makes it.
func (s *service) closeCopies(ctx context.Context) {
	if err := s.copies.Flush(ctx); err != nil {
		s.log.Warn().Err(err).Msg("the marts were not published at the end; the next start does it")
	}
	if err := s.copies.Close(); err != nil {
		s.log.Warn().Err(err).Msg("the published copy could not be closed")
	}
}

// sandbox is this program once more, for one question each time.
func sandbox(log zerolog.Logger) *warehouse.Sandbox {
	program, err := os.Executable()
	if err != nil {
		log.Warn().Err(err).Msg("what people ask runs within the service, with no limit on its memory: the program's own path is not known")
		return nil
	}
	return &warehouse.Sandbox{Command: []string{program, "answer"}}
}

// answerCmd is a process of a sandbox. The service starts it; nobody else has to know.
type answerCmd struct{}

// Run answers one question.
func (answerCmd) Run(ctx context.Context, e *env) error {
	return warehouse.ServeSandbox(ctx, e.stdin, e.stdout)
}
