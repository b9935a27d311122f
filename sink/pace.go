package sink

import (
	"context"

	"github.com/rs/zerolog"
)

// threads is what pace needs of *warehouse.DB.
type threads interface {
	UseThreads(ctx context.Context, n int) error
	Threads() int
}

// pace gives DuckDB half of its threads while much is to be applied, at least one. A batch is inserted by one thread,
// whoever else there is: the caller only turns in circles until that one is done, on a processor that the conversion
// and the stream could use. Measured on two cores: a quarter of all processor time. Refreshes and readers, which do
// work in parallel, have all threads again once the backlog is gone.
type pace struct {
	db   threads
	log  zerolog.Logger
	slow bool // few threads
}

// set is called with whether there is a backlog. It never fails: at worst the threads stay as they are.
func (p *pace) set(ctx context.Context, backlog bool) {
	if backlog == p.slow || p.db.Threads() < 2 {
		return
	}
	n := 0
	if backlog {
		n = p.db.Threads() / 2
	}
	if err := p.db.UseThreads(ctx, n); err != nil {
		p.log.Debug().Err(err).Msg("DuckDB's threads stay as they are")
		return
	}
	p.slow = backlog
}
