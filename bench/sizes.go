package main

import (
	"context"
	"fmt"
)

// What a collection of each size holds: so many bytes, but no more documents than this.
const (
	sizesBytes     = 120 << 20
	sizesDocuments = 60_000
)

// documentSizes are those of the case sizes, bytes.
var documentSizes = []struct {
	name  string
	bytes int
}{
	{"250 B", 250}, {"1 KB", 1 << 10}, {"4 KB", 4 << 10}, {"16 KB", 16 << 10}, {"64 KB", 64 << 10}, {"250 KB", 250 << 10}, {"2 MB", 2 << 20},
}

// sizes is collection → stream by the size of the documents: nothing may collapse where they are large.
func (b *bench) sizes(ctx context.Context) error {
	s, err := b.launch(ctx, "sizes", 0)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	for _, size := range documentSizes {
		coll := s.collection(fmt.Sprint("of_", size.bytes))
		documents := min(sizesDocuments, sizesBytes/size.bytes)
		if err := b.fill(ctx, coll, "--document-bytes", fmt.Sprint(size.bytes), "--documents", fmt.Sprint(documents)); err != nil {
			return err
		}
		r, err := b.besideBare(ctx, s, coll, nil, nil)
		if err != nil {
			return fmt.Errorf("documents of %s: %w", size.name, err)
		}
		if err := coll.Drop(ctx); err != nil {
			return fmt.Errorf("drop the collection: %w", err)
		}
		name, net, goal := "sizes, "+size.name, r.ours-r.fixed, ""
		if size.bytes >= 4<<10 {
			goal = "≥ 60"
		}
		megabytes := float64(r.bytes) / 1e6
		b.add(name+": bare loop", megabytes/r.bare, "MB/s", "")
		b.add(name+": ours without start and stop", float64(r.documents)/net, "docs/s", "")
		b.add(name+": ours without start and stop", megabytes/net, "MB/s", goal)
		b.add(name+": start and stop", r.fixed, "s", "")
		b.add(name+": of the bare loop", r.bare/r.ours, "ratio", "≥ 0.85")
		b.add(name+": so without start and stop", r.bare/net, "ratio", "≥ 0.85")
		b.add(name+": ours, cpu", r.cpu, "s", "")
		b.add(name+": server's cpu", r.server, "s", "")
		b.add(name+": peak memory", r.memory/(1<<20), "MiB", "")
	}
	return nil
}
