package main

import (
	"context"
	"fmt"
)

// mongoAll is a collection of generated sessions to all marts in one process, and then stage by stage, which tells where
// the time goes.
func (b *bench) mongoAll(ctx context.Context) error {
	s, err := b.launch(ctx, "mongo-all", 0)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	coll := s.collection("conversations")
	if err := b.fill(ctx, coll, "--documents", fmt.Sprint(b.documents), "--seed", "3"); err != nil {
		return err
	}
	documents, bytes, err := coll.stored(ctx)
	if err != nil {
		return err
	}
	bare, err := b.bare(ctx, coll, documents, bytes, nil)
	if err != nil {
		return err
	}
	b.add("mongo → marts: bare loop", float64(documents)/bare.Seconds, "docs/s", "")
	data, err := b.fresh("mongo-all")
	if err != nil {
		return err
	}
	before := s.cpu()
	u, err := b.programWith(ctx, coll.env(), "up", "--until-idle", "--data-dir", data)
	if err != nil {
		return err
	}
	served := s.cpu() - before
	rows, err := b.number(ctx, data, "SELECT count(*) FROM raw.conversations")
	if err != nil {
		return err
	}
	if int64(rows) != documents {
		return fmt.Errorf("%d rows for %d documents", int64(rows), documents)
	}
	b.ratesOf("mongo → marts", u, documents, bytes, "≥ 15,000", "< 1,024")
	b.add("mongo → marts: server's cpu", served.Seconds(), "s", "")
	return b.stages(ctx, s, coll)
}

// stages runs them one after the other on an empty folder.
func (b *bench) stages(ctx context.Context, s *server, coll collection) error {
	data, err := b.fresh("mongo-stages")
	if err != nil {
		return err
	}
	for _, stage := range []string{"extract", "load", "transform"} {
		before := s.cpu()
		u, err := b.programWith(ctx, coll.env(), stage, "--data-dir", data)
		if err != nil {
			return err
		}
		name := "mongo, " + stage + " only"
		b.add(name+": wall", u.wall.Seconds(), "s", "")
		b.add(name+": cpu", u.cpu.Seconds(), "s", "")
		b.add(name+": server's cpu", (s.cpu() - before).Seconds(), "s", "")
		b.add(name+": peak memory", float64(u.memory)/(1<<20), "MiB", "")
	}
	return nil
}
