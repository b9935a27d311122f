package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// mongo is collection → stream, of documents of 1 KB: a snapshot, and changes that came while nobody looked; each
// beside a bare loop that reads the same.
func (b *bench) mongo(ctx context.Context) error {
	const documentBytes = 1000
	s, err := b.launch(ctx, "mongo", 4*b.documents)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	coll := s.collection("changes")
	if err := s.client.Database(database).CreateCollection(ctx, coll.Name()); err != nil {
		return fmt.Errorf("create the collection: %w", err)
	}
	// Each round of ours needs a position from before the documents.
	token, err := coll.position(ctx)
	if err != nil {
		return err
	}
	folders := make([]string, b.rounds)
	for i := range folders {
		if folders[i], err = b.fresh(fmt.Sprint("mongo-changes-", i)); err != nil {
			return err
		}
		if _, err := b.extract(ctx, coll, folders[i]); err != nil {
			return err
		}
	}
	if err := b.fill(ctx, coll, "--document-bytes", fmt.Sprint(documentBytes), "--documents", fmt.Sprint(b.documents)); err != nil {
		return err
	}
	snapshot, err := b.besideBare(ctx, s, coll, nil, nil)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	snapshot.show(b, "snapshot, 1 KB")
	changes, err := b.besideBare(ctx, s, coll, token, folders)
	if err != nil {
		return fmt.Errorf("changes: %w", err)
	}
	changes.show(b, "changes, 1 KB")
	return nil
}

// position is a token of now.
func (c collection) position(ctx context.Context) (bson.Raw, error) {
	stream, err := c.Watch(ctx, bson.A{}, options.ChangeStream())
	if err != nil {
		return nil, fmt.Errorf("open a change stream: %w", err)
	}
	defer stream.Close(ctx) //nolint:errcheck // it was only opened for its token
	if token := stream.ResumeToken(); token != nil {
		return slices.Clone(token), nil
	}
	return nil, errors.New("open a change stream: the server tells no token")
}

func (b *bench) extract(ctx context.Context, c collection, dataDir string) (usage, error) {
	return b.programWith(ctx, c.env(), "extract", "--data-dir", dataDir)
}

// comparison is ours beside a bare loop; medians of the rounds.
type comparison struct {
	documents, bytes int64
	bare, ours       float64 // seconds
	fixed            float64 // seconds of a run that finds nothing new
	cpu, server      float64 // processor seconds of ours, and of the server meanwhile
	serverBare       float64 // and of the server for the bare loop
	memory           float64 // most of all rounds
}

// besideBare alternates between the bare loop and an extract, then an extract that finds nothing new. Without a token
// all of it is a snapshot into new folders; with one it is changes, into folders that are at the token.
func (b *bench) besideBare(ctx context.Context, s *server, c collection, token bson.Raw, folders []string) (comparison, error) {
	var r comparison
	var err error
	if r.documents, r.bytes, err = c.stored(ctx); err != nil {
		return r, err
	}
	var bares, ours, fixed, cpus, servers, serverBares []float64
	for round := range b.rounds {
		data := ""
		if token != nil {
			data = folders[round]
		} else if data, err = b.fresh("snapshot"); err != nil {
			return r, err
		}
		before := s.cpu()
		bare, err := b.bare(ctx, c, r.documents, r.bytes, token)
		if err != nil {
			return r, err
		}
		between := s.cpu()
		u, err := b.extract(ctx, c, data)
		if err != nil {
			return r, err
		}
		after := s.cpu()
		nothing, err := b.extract(ctx, c, data)
		if err != nil {
			return r, err
		}
		if err := os.RemoveAll(data); err != nil {
			return r, err
		}
		bares, ours, fixed = append(bares, bare.Seconds), append(ours, u.wall.Seconds()), append(fixed, nothing.wall.Seconds())
		cpus, servers = append(cpus, u.cpu.Seconds()), append(servers, (after-between).Seconds())
		serverBares = append(serverBares, (between - before).Seconds())
		r.memory = max(r.memory, float64(u.memory))
	}
	r.bare, r.ours, r.fixed = median(bares), median(ours), median(fixed)
	r.cpu, r.server, r.serverBare = median(cpus), median(servers), median(serverBares)
	return r, nil
}

func (r comparison) show(b *bench, name string) {
	documents := float64(r.documents)
	b.add(name+": bare loop", documents/r.bare, "docs/s", "")
	b.add(name+": bare loop, wall", r.bare, "s", "")
	b.add(name+": ours, wall", r.ours, "s", "")
	b.add(name+": ours, start and stop", r.fixed, "s", "")
	b.add(name+": ours", documents/r.ours, "docs/s", "")
	b.add(name+": of the bare loop", r.bare/r.ours, "ratio", "≥ 0.85")
	b.add(name+": without start and stop", documents/(r.ours-r.fixed), "docs/s", "≥ 40,000")
	b.add(name+": so of the bare loop", r.bare/(r.ours-r.fixed), "ratio", "≥ 0.85")
	b.add(name+": ours, cpu", r.cpu, "s", "")
	b.add(name+": server's cpu, ours", r.server, "s", "")
	b.add(name+": server's cpu, bare loop", r.serverBare, "s", "")
	b.add(name+": peak memory", r.memory/(1<<20), "MiB", "")
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
