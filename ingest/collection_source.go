package ingest

import (
	"context"

	"github.com/rs/zerolog"

	"claude-analytics/ingest/mongodb"
	"claude-analytics/proto"
)

// Collection is a MongoDB collection to follow; Lane, MaxMessage, Once and Counters are the lane's to fill.
type Collection = mongodb.Config

// collectionSource reads a MongoDB collection.
type collectionSource struct {
	cfg mongodb.Config
	log zerolog.Logger
}

// identify has nothing to settle: a collection's name is its own.
func (s *collectionSource) identify(*laneIdentity) error { return nil }

func (s *collectionSource) open(from beginning) (reader, error) {
	cfg := s.cfg
	cfg.MaxMessage = from.maxMessage
	var position *proto.CollectionPosition
	var token []byte
	if p := from.positions[mongodb.PositionName]; p != nil {
		position, token = p.GetCollection(), p.GetResumeToken()
	}
	tailer, err := mongodb.New(cfg, position, token, from.lost, s.log)
	if err != nil {
		return nil, err
	}
	return &collectionReader{tailer: tailer, out: make(chan piece)}, nil
}

func (s *collectionSource) see(status *Status) {
	status.Kind = KindMongoDB
	status.Collection = &mongodb.Stats{Namespace: s.cfg.Namespace(), Phase: mongodb.PhaseConnecting}
}

// collectionReader is a tailer as a reader.
type collectionReader struct {
	tailer *mongodb.Tailer
	out    chan piece
}

func (r *collectionReader) run(ctx context.Context) error {
	return pump(ctx, r.tailer.Run, r.tailer.Pieces(), r.out, func(p *mongodb.Piece) piece { return p })
}

func (r *collectionReader) pieces() <-chan piece { return r.out }
func (r *collectionReader) quiet() bool          { return r.tailer.Quiet() }
func (r *collectionReader) backlog() bool        { return r.tailer.Backlog() }
func (r *collectionReader) caughtUp() bool       { return r.tailer.Stats().CaughtUp }

// see adds what the tailer sees.
func (r *collectionReader) see(s *Status) {
	stats := r.tailer.Stats()
	s.Collection, s.CaughtUp = &stats, stats.CaughtUp
	if s.State != StateFollowing {
		return
	}
	switch stats.Phase {
	case mongodb.PhaseConnecting:
		s.State = StateConnecting
	case mongodb.PhaseSnapshot:
		s.State = StateReading
	case mongodb.PhaseRetrying:
		s.State, s.Detail = StateRetrying, stats.Fault
	}
}
