package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"claude-analytics/proto"
)

// sweepRounds bounds how often one Sweep estimates anew how much must go to get below MaxBytes.
const sweepRounds = 16

// SweepConfig says what Sweep may purge.
type SweepConfig struct {
	// MaxAge of a change, by the server's clock; 0: no limit.
	MaxAge time.Duration
	// MaxBytes of the stream, before compression; 0: no limit.
	MaxBytes uint64
	// DurableBelow is the first sequence that the lake does not hold durably: it and what follows stays.
	DurableBelow uint64
}

// Sweep is the stream's retention: it purges changes that are older than MaxAge or beyond MaxBytes, oldest first, but
// only what the lake holds. Positions stay, and so does every lane's newest message, which its fence rests on. How
// far it went is recorded in the stream before anything is purged, so that a destination can tell what it missed. It
// returns how many messages went.
func (c *Conn) Sweep(ctx context.Context, cfg SweepConfig) (purged uint64, err error) {
	state, err := c.State(ctx)
	if err != nil {
		return 0, fmt.Errorf("sweep: %w", err)
	}
	floor, err := c.ageFloor(ctx, state, cfg)
	if err != nil {
		return 0, fmt.Errorf("sweep: %w", err)
	}
	for round := 0; ; round++ {
		if floor > 0 {
			n, err := c.purgeBelow(ctx, floor)
			purged += n
			if err != nil {
				return purged, fmt.Errorf("sweep: %w", err)
			}
			if state, err = c.State(ctx); err != nil {
				return purged, fmt.Errorf("sweep: %w", err)
			}
		}
		if cfg.MaxBytes == 0 || state.Bytes <= cfg.MaxBytes || round == sweepRounds {
			break
		}
		next := sizeFloor(state, cfg)
		if next <= max(floor, state.PurgeFloor) {
			break
		}
		floor = next
	}
	if purged > 0 {
		c.log.Info().Uint64("messages", purged).Uint64("below", max(floor, state.PurgeFloor)).Uint64("bytes", state.Bytes).Msg("stream swept")
	}
	return purged, nil
}

// ageFloor is the sequence below which everything is older than cfg allows and durable; 0 if nothing is.
func (c *Conn) ageFloor(ctx context.Context, state State, cfg SweepConfig) (uint64, error) {
	if cfg.MaxAge <= 0 || state.LastSeq == 0 {
		return 0, nil
	}
	oldest := state.Now.Add(-cfg.MaxAge)
	first, err := c.getMessage(ctx, proto.StreamName, messageRequest{StartTime: &oldest, NextFor: proto.AllSubjects})
	floor := first.Seq
	if errors.Is(err, ErrNoMessage) {
		floor, err = state.LastSeq+1, nil
	}
	if err != nil {
		return 0, fmt.Errorf("find first message after %s: %w", oldest, err)
	}
	if floor = min(floor, cfg.DurableBelow); floor <= max(state.PurgeFloor, state.FirstSeq) {
		return 0, nil
	}
	return floor, nil
}

// sizeFloor estimates the sequence below which the excess over cfg.MaxBytes stands, as if the stream's bytes were
// spread evenly over its sequences.
func sizeFloor(state State, cfg SweepConfig) uint64 {
	first := max(state.PurgeFloor, state.FirstSeq)
	if state.LastSeq < first {
		return 0
	}
	span := float64(state.LastSeq-first) + 1
	excess := float64(state.Bytes - cfg.MaxBytes)
	step := max(uint64(span*excess/float64(state.Bytes)), 1)
	return min(first+step, cfg.DurableBelow, state.LastSeq)
}

// purgeBelow records the floor, then purges the changes below it bucket by bucket.
func (c *Conn) purgeBelow(ctx context.Context, floor uint64) (purged uint64, err error) {
	if err := c.recordFloor(ctx, floor); err != nil {
		return 0, fmt.Errorf("record purge floor: %w", err)
	}
	// A lane's newest message is read after the floor is chosen: it can only move up from here.
	state, err := c.State(ctx)
	if err != nil {
		return 0, err
	}
	newest := map[string]LaneState{}
	for _, lane := range state.Lanes {
		if lane.LastSeq < floor {
			newest[lane.Lane] = lane
		}
	}
	if len(newest) == 0 {
		return c.purgeBuckets(ctx, "*", floor)
	}
	// Some lane ends below the floor, so every lane is purged by itself, up to its own end.
	for _, lane := range state.Lanes {
		n, err := c.purgeBuckets(ctx, lane.Lane, min(floor, lane.LastSeq))
		purged += n
		if err != nil {
			return purged, err
		}
	}
	return purged, nil
}

// purgeBuckets purges one lane's changes, or with "*" all lanes'.
func (c *Conn) purgeBuckets(ctx context.Context, lane string, below uint64) (purged uint64, err error) {
	for _, filter := range changeSubjects(lane) {
		var response struct {
			apiFailure
			Purged uint64 `json:"purged"`
		}
		request := struct {
			Filter string `json:"filter"`
			Seq    uint64 `json:"seq"`
		}{filter, below}
		if err := c.api(ctx, "STREAM.PURGE."+proto.StreamName, request, &response); err != nil {
			return purged, fmt.Errorf("purge %s below %d: %w", request.Filter, below, err)
		}
		purged += response.Purged
	}
	return purged, nil
}

// changeSubjects matches all of a lane's changes and none of its positions.
func changeSubjects(lane string) []string {
	subjects := make([]string, 0, proto.Buckets+1)
	prefix := strings.TrimSuffix(proto.LaneSubjects(lane), ">")
	for bucket := range proto.Buckets {
		subjects = append(subjects, fmt.Sprintf("%s%02x.>", prefix, bucket))
	}
	return append(subjects, proto.EventSubject(lane))
}

// recordFloor raises the floor in the stream's metadata.
func (c *Conn) recordFloor(ctx context.Context, floor uint64) error {
	return c.recordSequence(ctx, floorKey, floor)
}

// recordSequence raises a sequence in the stream's metadata.
func (c *Conn) recordSequence(ctx context.Context, key string, seq uint64) error {
	_, js, err := c.clients()
	if err != nil {
		return err
	}
	stream, err := js.Stream(ctx, proto.StreamName)
	if err != nil {
		return err
	}
	cfg := stream.CachedInfo().Config
	if sequenceIn(cfg, key) >= seq {
		return nil
	}
	cfg.Metadata = maps.Clone(cfg.Metadata)
	if cfg.Metadata == nil {
		cfg.Metadata = map[string]string{}
	}
	cfg.Metadata[key] = strconv.FormatUint(seq, 10)
	_, err = js.UpdateStream(ctx, cfg)
	return err
}
