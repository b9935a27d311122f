package sink

import (
	"context"
	"fmt"
	"strings"
	"time"

	"claude-analytics/internal/stream"
	"claude-analytics/proto"
	"claude-analytics/sink/bronze"
)

// mirrorChunk is how many letters are written at once.
const mirrorChunk = 500

// letterRow is a letter as the warehouse keeps it. Names of files, and what a message says, may be any bytes; a table
// holds text.
func letterRow(d proto.DeadLetter, seq uint64) bronze.DeadLetter {
	row := bronze.DeadLetter{
		Letter: d.Name(), Source: d.Lane, Namespace: d.Namespace, ID: d.ID, Session: d.Session, Project: d.Project,
		Part: d.Part, Reason: d.Reason, Detail: d.Detail, File: d.File, Offset: d.Offset, Size: d.Size,
		Attempts: d.Attempts, FirstSeen: d.Since(proto.DeadLetter{}).FirstSeen, LastSeen: d.At, LetterSeq: seq,
	}
	if d.Seq != 0 {
		row.Order = bronze.Order{Epoch: d.Epoch, Seq: d.Seq}
	}
	for _, text := range []*string{&row.Source, &row.Namespace, &row.ID, &row.Session, &row.Project, &row.Part, &row.Reason, &row.Detail, &row.File} {
		*text = strings.ToValidUTF8(*text, "\uFFFD")
	}
	return row
}

// mirrorLetters keeps meta.dead_letters as the letters are, until ctx ends.
func (s *Sink) mirrorLetters(ctx context.Context) error {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		if err := s.MirrorLetters(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn().Err(err).Msg("the dead letters cannot be mirrored in the warehouse; trying again")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// MirrorLetters brings meta.dead_letters up to the letters as they stand now. Only letters that came since are read; if
// that does not make the table as long as it must be, some are gone, and all are compared.
func (s *Sink) MirrorLetters(ctx context.Context) error {
	s.mirroring.Lock()
	defer s.mirroring.Unlock()
	state, err := s.conn.LettersState(ctx)
	if err != nil {
		return err
	}
	s.lettersHeld.Store(state.Letters)
	if state == s.mirrored {
		return nil
	}
	_, after, err := s.bronze.LettersKnown(ctx)
	if err != nil {
		return err
	}
	if after <= state.LastSeq && s.mirrored.Created.Equal(state.Created) {
		if err := s.mirrorAfter(ctx, after, nil); err != nil {
			return err
		}
		count, _, err := s.bronze.LettersKnown(ctx)
		if err != nil {
			return err
		}
		now, err := s.conn.LettersState(ctx)
		if err != nil || now.LastSeq != state.LastSeq {
			return err // more have come meanwhile: the next look sees them
		}
		if count == now.Letters {
			s.mirrored = now
			return nil
		}
	}
	there := map[string]bool{}
	if err := s.mirrorAfter(ctx, 0, there); err != nil {
		return err
	}
	names, err := s.bronze.LetterNames(ctx)
	if err != nil {
		return err
	}
	var gone []string
	for _, name := range names {
		if there[name] {
			continue
		}
		// A batch that is being applied may have written a letter down that came after the reading.
		if _, err := s.conn.Letter(ctx, name); err == nil {
			continue
		} else if !isGone(err) {
			return err
		}
		gone = append(gone, name)
	}
	if len(gone) > 0 {
		if err := s.bronze.MirrorLetters(ctx, nil, gone); err != nil {
			return err
		}
	}
	s.mirrored = state
	return nil
}

// mirrorAfter writes the letters behind a sequence, and notes their names if there is where.
func (s *Sink) mirrorAfter(ctx context.Context, after uint64, there map[string]bool) error {
	var rows []bronze.DeadLetter
	write := func() error {
		if len(rows) == 0 {
			return nil
		}
		err := s.bronze.MirrorLetters(ctx, rows, nil)
		rows = rows[:0]
		return err
	}
	err := s.conn.Letters(ctx, after, func(l stream.Letter) error {
		row := letterRow(l.DeadLetter, l.LetterSeq)
		row.Letter = l.Name // of one that cannot be read, its place is not known
		rows = append(rows, row)
		if there != nil {
			there[l.Name] = true
		}
		if len(rows) >= mirrorChunk {
			return write()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return write()
}

// DropLetter removes a letter for good, from the stream and then from the warehouse's table.
func (s *Sink) DropLetter(ctx context.Context, l stream.Letter) error {
	if err := s.conn.RemoveLetter(ctx, l); err != nil {
		return err
	}
	if err := s.bronze.MirrorLetters(ctx, nil, []string{l.Name}); err != nil {
		return fmt.Errorf("drop dead letter %s: %w", l.Name, err)
	}
	s.metrics.lettersDropped.Inc()
	return nil
}
