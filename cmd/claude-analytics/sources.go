package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"claude-analytics/ingest"
	"claude-analytics/internal/config"
	"claude-analytics/proto"
)

// sourceFlags are the flags of every command that reads sources.
type sourceFlags struct {
	Transcripts []string `help:"Transcript folder to follow (TRANSCRIPTS_DIR); repeatable, NAME=DIR names it in the lane." placeholder:"DIR"`
	MongoURI    string   `name:"mongo-uri" help:"MongoDB replica set to follow (MONGO_URI)." placeholder:"URI"`
	Source      string   `help:"Name of the lane (default: mongo, or the host's name for folders)." placeholder:"NAME"`
}

func (f sourceFlags) settings() map[string]string {
	return map[string]string{"TRANSCRIPTS_DIR": transcriptFlags(f.Transcripts), "MONGO_URI": f.MongoURI, "SOURCE_NAME": f.Source}
}

// sources are what a process reads.
type sources struct {
	folders []string
	mongo   bool
}

// localDial is how long to look for a MongoDB that nobody has named.
const localDial = time.Second

// chooseSources decides what is read: what was set explicitly, else the transcript folder if it exists, else a MongoDB
// where the default says, if one answers.
func chooseSources(cfg config.Loaded) (sources, error) {
	chosen := sources{mongo: cfg.Set("MONGO_URI")}
	if cfg.Set("TRANSCRIPTS_DIR") {
		chosen.folders = cfg.TranscriptsDir
	}
	if chosen.mongo || chosen.folders != nil {
		return chosen, nil
	}
	for _, dir := range cfg.TranscriptsDir {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return sources{folders: cfg.TranscriptsDir}, nil
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return chosen, fmt.Errorf("look at the transcript folder: %w", err)
		}
	}
	uri, err := connstring.ParseAndValidate(cfg.MongoURI)
	if err == nil && len(uri.Hosts) > 0 {
		var conn net.Conn
		if conn, err = net.DialTimeout("tcp", withPort(uri.Hosts[0]), localDial); err == nil {
			_ = conn.Close()
			return sources{mongo: true}, nil
		}
	}
	return chosen, usagef("there is nothing to follow: %s does not exist, and no MongoDB answers at the default address (%w). "+
		"Name a folder with --transcripts DIR, a replica set with --mongo-uri URI, or try `claude-analytics up --demo 200`", cfg.TranscriptsDir[0], err)
}

// present sees that each folder is there. A service waits for one that is not, visibly; a single pass would call nothing a success.
func (c sources) present() error {
	for _, dir := range c.folders {
		if _, path, named := strings.Cut(dir, "="); named {
			dir = path
		}
		info, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return usagef("there is no folder %s: see --transcripts and TRANSCRIPTS_DIR", dir)
		case err != nil:
			return fmt.Errorf("look at the transcript folder: %w", err)
		case !info.IsDir():
			return usagef("%s is no folder: see --transcripts and TRANSCRIPTS_DIR", dir)
		}
	}
	return nil
}

func withPort(host string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(host, "27017")
}

// lanes are the configurations of the lanes that the sources come to: one for the folders, one for each collection.
// SOURCE_NAME names the folders' lane, or that of a single collection where there are no folders.
func (c sources) lanes(cfg config.Loaded, opt serviceOptions) ([]ingest.Config, error) {
	identity := ingest.NewIdentity(cfg.IdentityPath())
	var lanes []ingest.Config
	add := func(name string, lane ingest.Config) {
		lane.Lane, lane.Identity, lane.Positions = name, identity, cfg.PositionsPath()
		lane.Once, lane.Backfill, lane.Takeover, lane.Reread = opt.once, opt.backfill, opt.takeover, opt.reread
		lanes = append(lanes, lane)
	}
	if len(c.folders) > 0 {
		name, err := laneName(cfg.Source)
		if err != nil {
			return nil, err
		}
		folders := make([]ingest.Folder, 0, len(c.folders))
		for _, dir := range c.folders {
			name, path, named := strings.Cut(dir, "=")
			if !named {
				name, path = "", dir
			}
			folders = append(folders, ingest.Folder{Name: name, Path: path})
		}
		add(name, ingest.Config{Folders: folders})
	}
	if c.mongo {
		for _, collection := range cfg.MongoCollection {
			name := "mongo"
			switch {
			case len(cfg.MongoCollection) > 1:
				name = proto.LaneName(cfg.MongoDB + "-" + collection)
			case cfg.Source != "" && len(c.folders) == 0:
				name = proto.LaneName(cfg.Source)
			}
			add(name, ingest.Config{Collection: &ingest.Collection{
				URI: cfg.MongoURI, Database: cfg.MongoDB, Collection: collection, HistoryLost: cfg.HistoryLost,
			}})
		}
	}
	seen := map[string]bool{}
	for _, lane := range lanes {
		if seen[lane.Lane] {
			return nil, usagef("two sources would share the lane %q: name the folders' lane otherwise, with --source NAME", lane.Lane)
		}
		seen[lane.Lane] = true
	}
	return lanes, nil
}

// laneName is the name that was set, else the host's.
func laneName(set string) (string, error) {
	if set != "" {
		return proto.LaneName(set), nil
	}
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("the host has no name; set one with --source: %w", err)
	}
	return proto.LaneName(host), nil
}

// lanes is what the service reads, lane by lane.
type lanes []*ingest.Ingest

// caughtUp reports whether every lane is.
func (l lanes) caughtUp() bool {
	for _, lane := range l {
		if !lane.CaughtUp() {
			return false
		}
	}
	return true
}

// status is every lane's.
func (l lanes) status() []ingest.Status {
	all := make([]ingest.Status, len(l))
	for i, lane := range l {
		all[i] = lane.Status()
	}
	return all
}

// extracted is what several lanes have published together.
type extracted struct {
	Documents, Bytes, DeadLetters int64
	// Left is an estimate of the documents that are there and not yet published.
	Left int64
}

func sum(all []ingest.Status) (e extracted) {
	for _, s := range all {
		e.Documents += s.Documents
		e.Bytes += s.Bytes
		e.DeadLetters += s.DeadLetters
		// What is still on disk is estimated by the documents seen so far.
		e.Left += int64(float64(s.LagBytes) * float64(s.Documents) / float64(max(s.Bytes, 1)))
		if c := s.Collection; c != nil {
			e.Left += max(c.SnapshotTotal-c.SnapshotDocuments, 0)
		}
	}
	return e
}
