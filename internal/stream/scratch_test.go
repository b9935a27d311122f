package stream

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"claude-analytics/proto"
)

func TestScratchPositions(t *testing.T) {
	c := embeddedConn(t)
	lane := openLane(t, c, LaneConfig{Lane: "a", Writer: "w"})
	const files = 100000
	start := time.Now()
	data := make([]byte, 150)
	for first := 0; first < files; first += 1000 {
		var batch []Outgoing
		for i := range 1000 {
			batch = append(batch, Outgoing{Subject: proto.PositionSubject("a", fmt.Sprintf("%016x", (first+i)*7919)), Data: data, Rollup: true})
		}
		publish(t, lane, batch)
	}
	fmt.Println("100k positions published", time.Since(start))
	// data on top, a new lane, and positions again
	start = time.Now()
	for i := range 50 {
		batch := append(changes("a", i*999, 999), position("a", fmt.Sprintf("%016x", i*7919), "x"))
		publish(t, lane, batch)
	}
	fmt.Println("50k changes", time.Since(start))
	b := openLane(t, c, LaneConfig{Lane: "b", Writer: "w"})
	start = time.Now()
	for i := range 50 {
		publish(t, b, append(changes("b", i*999, 999), position("b", "f", "x")))
	}
	fmt.Println("50k changes of lane b", time.Since(start))
	start = time.Now()
	publish(t, lane, changes("a", 0, 10))
	fmt.Println("one batch of a behind those of b", time.Since(start))
	start = time.Now()
	p, err := lane.Positions(testContext(t))
	fmt.Println("positions", len(p), err, time.Since(start))
	start = time.Now()
	_, err = c.State(testContext(t))
	fmt.Println("state", err, time.Since(start))
	start = time.Now()
	_, err = c.Sweep(testContext(t), SweepConfig{MaxAge: time.Millisecond, DurableBelow: 1 << 40})
	fmt.Println("sweep", err, time.Since(start))
}

func TestScratchCorrupt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "jetstream")
	c := New(Config{Dir: dir, Port: -1}, logs(t))
	if err := c.Open(testContext(t)); err != nil {
		t.Fatal(err)
	}
	lane := openLane(t, c, LaneConfig{Lane: "a", Writer: "w"})
	for i := range 20 {
		batch := changes("a", i*500, 500)
		for j := range batch {
			batch[j].Data = document(2000)
		}
		publish(t, lane, batch)
	}
	closeConn(t, c)
	backup := t.TempDir()
	os.CopyFS(backup, os.DirFS(dir))
	msgs := filepath.Join(dir, "$G", "streams", proto.StreamName, "msgs")
	entries, _ := os.ReadDir(msgs)
	for _, e := range entries {
		i, _ := e.Info()
		fmt.Println(e.Name(), i.Size())
	}
	for round, damage := range []func() error{
		func() error { // flip bytes in the first block
			f := filepath.Join(msgs, "1.blk")
			b, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			for i := len(b) / 2; i < len(b)/2+200; i++ {
				b[i] ^= 0xff
			}
			return os.WriteFile(f, b, 0o600)
		},
		func() error {
			b, err := os.ReadFile(filepath.Join(msgs, "1.blk"))
			for i := len(b) / 2; i < len(b)/2+200; i++ {
				b[i] ^= 0xff
			}
			os.WriteFile(filepath.Join(msgs, "1.blk"), b, 0o600)
			_ = err
			return os.Remove(filepath.Join(msgs, "index.db"))
		},
		func() error {
			b, err := os.ReadFile(filepath.Join(msgs, "3.blk"))
			for i := len(b) -1000; i < len(b); i++ {
				b[i] ^= 0xff
			}
			os.WriteFile(filepath.Join(msgs, "3.blk"), b, 0o600)
			return err
		},
		func() error { 
			return os.Remove(filepath.Join(msgs, "index.db"))
		},
		func() error { 
			b, err := os.ReadFile(filepath.Join(msgs, "3.blk"))
			os.WriteFile(filepath.Join(msgs, "3.blk"), b[:len(b)-100000], 0o600)
			os.Remove(filepath.Join(msgs, "index.db"))
			return err
		},
		func() error { return os.Truncate(filepath.Join(msgs, "1.blk"), 1000) },
		func() error { return os.Remove(filepath.Join(msgs, "1.blk")) },
	} {
		os.RemoveAll(dir)
		os.CopyFS(dir, os.DirFS(backup))
		fmt.Println("round", round, damage())
		c := New(Config{Dir: dir, Port: -1}, logs(t))
		if err := c.Open(testContext(t)); err != nil {
			fmt.Println("open:", err)
			continue
		}
		s, err := c.State(testContext(t))
		fmt.Printf("%d-%d %d msgs %v; trouble %s\n", s.FirstSeq, s.LastSeq, s.Msgs, err, c.server.log.lastTrouble())
		k, err := c.OpenConsumer(testContext(t), ConsumerConfig{Name: "lake"})
		if err == nil {
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			n := 0
			for ctx.Err() == nil {
				m, err := k.Fetch(ctx, FetchLimit{})
				n += len(m)
				if err != nil {
					fmt.Println("fetch:", err)
					break
				}
			}
			cancel()
			fmt.Println("fetched", n, "trouble", c.server.log.lastTrouble())
			k.Close()
		}
		closeConn(t, c)
	}
	t.Fail()
}
