package ingest

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"claude-analytics/ingest/transcript"
	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

// folderSource reads folders of transcripts.
type folderSource struct {
	lane     string
	rescan   time.Duration
	max      int64 // largest object, bytes
	once     bool
	backfill bool
	reread   *Reread
	counters *transcript.Counters
	redact   Redactor
	log      zerolog.Logger

	mu      sync.Mutex
	folders []Folder
}

// identify names the folders as they were named before.
func (s *folderSource) identify(lane *laneIdentity) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	folders := slices.Clone(s.folders)
	for n := range folders {
		path, err := filepath.Abs(folders[n].Path)
		if err != nil {
			return fmt.Errorf("folder %s: %w", folders[n].Path, err)
		}
		folders[n].Path = path
	}
	folders = NameFolders(folders, lane.Folders)
	names := map[string]string{}
	for _, folder := range folders {
		if other := names[folder.Name]; other != "" {
			return fmt.Errorf("folders %s and %s have the same name %q", other, folder.Path, folder.Name)
		}
		names[folder.Name] = folder.Path
		lane.Folders[folder.Name] = folder.Path
	}
	s.folders = folders
	return nil
}

func (s *folderSource) named() []Folder {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.folders
}

func (s *folderSource) open(from beginning) (reader, error) {
	if from.lost != "" {
		// The files are still there: reading them again gives the same row keys.
		s.log.Error().Str("lane", from.lost).
			Msg("the stream holds no position of a lane that had begun: it was recreated or emptied; reading everything again")
	}
	files := make([]*proto.FilePosition, 0, len(from.positions))
	published := map[string]int64{}
	for name, position := range from.positions {
		if file := position.GetFile(); file != nil {
			published[name] = file.GetOffset()
			if s.backfill || s.reread != nil {
				// The generation stays: it is part of the row key.
				file.Offset, file.TailHash, file.TailLength = 0, 0, 0
			}
			files = append(files, file)
		}
	}
	follower := transcript.New(transcript.Config{
		Lane: s.lane, Folders: s.named(), Rescan: s.rescan, Once: s.once, Counters: s.counters, Redact: s.redact,
		MaxObject: max(1, min(s.max, from.maxMessage-reserve)), MaxMessage: from.maxMessage,
	}, files, s.log)
	return &folderReader{follower: follower, out: make(chan piece), reread: s.reread, published: published}, nil
}

// see adds the folders and what was counted.
func (s *folderSource) see(status *Status) {
	folders := s.named()
	status.Kind = KindFolders
	status.Folders = make([]FolderStatus, len(folders))
	for n, folder := range folders {
		status.Folders[n] = FolderStatus{Name: folder.Name, Path: folder.Path}
	}
	status.Rewritten, status.Renamed, status.Replaced = s.counters.Rewritten.Load(), s.counters.Renamed.Load(), s.counters.Replaced.Load()
}

// folderReader is a follower as a reader.
type folderReader struct {
	follower *transcript.Follower
	out      chan piece
	// reread is the part to publish again, published how far each file had been, by the name of its position.
	reread    *Reread
	published map[string]int64
}

func (r *folderReader) run(ctx context.Context) error {
	return pump(ctx, r.follower.Run, r.follower.Slices(), r.out, r.piece)
}

// piece is a slice; of what is read again only the part that was asked for.
func (r *folderReader) piece(slice *transcript.Slice) piece {
	if r.reread == nil {
		return slicePiece{slice}
	}
	return rereadPiece{slicePiece{slice}, r.reread, r.published[proto.PositionName(slice.PositionSubject())]}
}

func (r *folderReader) pieces() <-chan piece { return r.out }
func (r *folderReader) quiet() bool          { return r.follower.Quiet() }
func (r *folderReader) backlog() bool        { return false }
func (r *folderReader) caughtUp() bool       { return r.follower.Stats().CaughtUp }
func (r *folderReader) see(s *Status)        { s.seeFolders(r.follower.Stats()) }

// slicePiece is a slice of a transcript as a piece.
type slicePiece struct{ *transcript.Slice }

// Len is the number of entries.
func (s slicePiece) Len() int { return len(s.Entries) }

// Entry is the i-th change or dead letter.
func (s slicePiece) Entry(i int) (stream.Outgoing, *proto.DeadLetter, int64) {
	entry := &s.Entries[i]
	return stream.Outgoing{Subject: entry.Subject, Data: entry.Data}, entry.Letter, entry.Size
}

// Place is the file.
func (s slicePiece) Place() uint64 { return s.File() }

// Position is how far the file has been published.
func (s slicePiece) Position(i int) *proto.Position {
	return &proto.Position{File: s.Slice.Position(i)}
}

// Done makes room for more to be read.
func (s slicePiece) Done(uint64) { s.Slice.Done() }
