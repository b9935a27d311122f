package ingest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/ingest/mongodb"
	"claude-analytics/ingest/transcript"
	"claude-analytics/proto"
)

// ErrUnfinished means that a source is still being read for the first time: what it holds cannot be compared yet.
var ErrUnfinished = errors.New("it is still being read as a whole")

// Surveyed is a document that a source holds.
type Surveyed struct {
	// Namespace and ID are as its change has them; AlsoID is another id under which it may have been published: a file
	// that was renamed goes on under its new name. Empty: none.
	Namespace, ID, AlsoID string
	// Raw is the document as it would be published; empty unless asked for. It is good until the function returns.
	Raw []byte
}

// SurveyStream is what a survey asks the stream.
type SurveyStream interface {
	Positions(ctx context.Context, lane string) (map[string][]byte, error)
	MaxPayload() int64
}

// Survey reads what a lane's source holds, and publishes nothing.
type Survey struct {
	cfg  Config
	conn SurveyStream
	log  zerolog.Logger
}

// NewSurvey is of the lane that an Ingest of that Config writes. It does no I/O.
func NewSurvey(cfg Config, conn SurveyStream, log zerolog.Logger) *Survey {
	return &Survey{cfg: cfg, conn: conn, log: log}
}

// Lane is the lane's name.
func (s *Survey) Lane() string { return s.cfg.Lane }

// Mirrors says that what is gone in the source is deleted in the stream too.
func (s *Survey) Mirrors() bool { return s.cfg.Collection != nil }

// Description says what is read.
func (s *Survey) Description() string {
	if c := s.cfg.Collection; c != nil {
		return "collection " + c.Namespace()
	}
	paths := make([]string, len(s.cfg.Folders))
	for i, f := range s.cfg.Folders {
		paths[i] = f.Path
	}
	return "folder " + strings.Join(paths, ", ")
}

// Documents hands over every document that the source holds and that the lane's position covers, and returns how many
// more there are. It returns ErrUnfinished for a collection whose first snapshot is not complete.
func (s *Survey) Documents(ctx context.Context, content bool, fn func(Surveyed) error) (ahead int64, err error) {
	positions, err := s.positions(ctx)
	if err == nil && s.cfg.Collection != nil {
		err = s.collection(ctx, positions, content, fn)
	} else if err == nil {
		ahead, err = s.folders(ctx, positions, content, fn)
	}
	if err != nil {
		return ahead, fmt.Errorf("survey lane %s: %w", s.cfg.Lane, err)
	}
	return ahead, nil
}

func (s *Survey) positions(ctx context.Context) (map[string]*proto.Position, error) {
	raw, err := s.conn.Positions(ctx, s.cfg.Lane)
	if err != nil {
		return nil, err
	}
	positions := make(map[string]*proto.Position, len(raw))
	for name, data := range raw {
		var p proto.Position
		if err := protobuf.Unmarshal(data, &p); err != nil {
			return nil, fmt.Errorf("position %s cannot be read: %w", name, err)
		}
		positions[name] = &p
	}
	return positions, nil
}

func (s *Survey) collection(ctx context.Context, positions map[string]*proto.Position, content bool, fn func(Surveyed) error) error {
	p := positions[mongodb.PositionName].GetCollection()
	if p == nil || p.GetSnapshot() != nil {
		return ErrUnfinished
	}
	namespace := s.cfg.Collection.Namespace()
	return mongodb.Survey(ctx, *s.cfg.Collection, content, func(id string, raw []byte) error {
		return fn(Surveyed{Namespace: namespace, ID: id, Raw: raw})
	})
}

// named are the folders with the names that they have in the lane; nothing is kept of names that are new.
func (s *Survey) named() ([]Folder, error) {
	known, err := s.cfg.Identity.folders(s.cfg.Lane)
	if err != nil {
		return nil, err
	}
	folders := slices.Clone(s.cfg.Folders)
	for n := range folders {
		if folders[n].Path, err = filepath.Abs(folders[n].Path); err != nil {
			return nil, fmt.Errorf("folder %s: %w", folders[n].Path, err)
		}
	}
	return NameFolders(folders, known), nil
}

// folders reads every file from its start, under the generation that its position has, and nothing behind the position.
func (s *Survey) folders(ctx context.Context, positions map[string]*proto.Position, content bool, fn func(Surveyed) error) (ahead int64, err error) {
	folders, err := s.named()
	if err != nil {
		return 0, err
	}
	for _, f := range folders {
		// A follower waits for one that is not there; to compare with nothing would be no comparison.
		if info, err := os.Stat(f.Path); err != nil {
			return 0, fmt.Errorf("look at the folder: %w", err)
		} else if !info.IsDir() {
			return 0, fmt.Errorf("%s is not a folder", f.Path)
		}
	}
	files := make([]*proto.FilePosition, 0, len(positions))
	published := map[string]int64{}
	before := formerNames(positions)
	for name, p := range positions {
		if file := p.GetFile(); file != nil {
			published[name] = file.GetOffset()
			file.Offset, file.TailHash, file.TailLength = 0, 0, 0
			files = append(files, file)
		}
	}
	limit := s.conn.MaxPayload()
	follower := transcript.New(transcript.Config{
		Lane: s.cfg.Lane, Folders: folders, Once: true,
		MaxObject: max(1, min(defaultMaxDocument, limit-reserve)), MaxMessage: limit,
	}, files, s.log)
	g, reading := errgroup.WithContext(ctx)
	g.Go(func() error { return follower.Run(reading) })
	g.Go(func() error {
		for slice := range follower.Slices() {
			name := proto.PositionName(slice.PositionSubject())
			err := surveySlice(slice, published[name], before[name], s.cfg.Lane, content, &ahead, fn)
			slice.Done()
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return ahead, err
	}
	if stats := follower.Stats(); stats.Unreadable > 0 {
		return ahead, fmt.Errorf("%d files or folders cannot be read", stats.Unreadable)
	}
	return ahead, ctx.Err()
}

func surveySlice(slice *transcript.Slice, published int64, before *proto.FilePosition, lane string, content bool, ahead *int64, fn func(Surveyed) error) error {
	for i := range slice.Entries {
		if len(slice.Entries[i].Data) == 0 {
			continue // set aside, or only a position
		}
		var change proto.Change
		if err := protobuf.Unmarshal(slice.Entries[i].Data, &change); err != nil {
			return fmt.Errorf("read back a change: %w", err)
		}
		at := change.GetSourceOffset()
		if at >= published {
			*ahead++
			continue
		}
		d := Surveyed{Namespace: change.GetNamespace(), ID: change.GetId(), Raw: change.GetDocument()}
		if before != nil && at < before.GetOffset() {
			d.AlsoID = transcript.RowKey(lane, before.GetFolder(), string(before.GetPath()), before.GetGeneration(), at)
		}
		if !content {
			d.Raw = nil
		}
		if err := fn(d); err != nil {
			return err
		}
	}
	return nil
}

// formerNames finds, by the name of a file's position, that of the same file under the name that it had before.
func formerNames(positions map[string]*proto.Position) map[string]*proto.FilePosition {
	type inode struct{ device, number uint64 }
	byInode := map[inode][]string{}
	for name, p := range positions {
		if f := p.GetFile(); f != nil && f.GetInode() != 0 {
			byInode[inode{f.GetDevice(), f.GetInode()}] = append(byInode[inode{f.GetDevice(), f.GetInode()}], name)
		}
	}
	former := map[string]*proto.FilePosition{}
	for _, names := range byInode {
		for _, name := range names {
			for _, other := range names {
				f := positions[other].GetFile()
				if other == name || f.GetOffset() > positions[name].GetFile().GetOffset() {
					continue
				}
				if have := former[name]; have == nil || have.GetOffset() < f.GetOffset() {
					former[name] = protobuf.CloneOf(f)
				}
			}
		}
	}
	return former
}
