package ingest

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"claude-analytics/ingest/transcript"
	"claude-analytics/proto"
)

// Folder is a tree of transcripts to follow. Without a Name it gets one from NameFolders.
type Folder = transcript.Folder

// NameFolders gives each folder that has none a name in its lane: its base name, with the names of as many folders
// above it as make it different from the others. known (path by name) are names given before: a folder keeps its own,
// whatever is added beside it, since the name is part of every row key. A path given twice counts once.
func NameFolders(folders []Folder, known map[string]string) []Folder {
	taken := map[string]string{}
	for name, path := range known {
		taken[name] = path
	}
	named := make([]Folder, 0, len(folders))
	for _, folder := range folders {
		folder.Path = filepath.Clean(folder.Path)
		if slices.ContainsFunc(named, func(f Folder) bool { return f.Path == folder.Path }) {
			continue
		}
		if folder.Name == "" {
			for name, path := range known {
				if path == folder.Path && (folder.Name == "" || name < folder.Name) {
					folder.Name = name
				}
			}
		}
		if folder.Name != "" {
			taken[folder.Name] = folder.Path
		}
		named = append(named, folder)
	}
	var nameless []string
	for _, folder := range named {
		if folder.Name == "" {
			nameless = append(nameless, folder.Path)
		}
	}
	for i := range named {
		if named[i].Name == "" {
			named[i].Name = freeName(named[i].Path, nameless, taken)
			taken[named[i].Name] = named[i].Path
		}
	}
	return named
}

// freeName is the shortest name that no folder has and no other nameless one could want.
func freeName(path string, nameless []string, taken map[string]string) string {
	for parts := 1; ; parts++ {
		name, more := folderName(path, parts)
		_, clash := taken[name]
		for _, other := range nameless {
			theirs, _ := folderName(other, parts)
			clash = clash || other != path && theirs == name
		}
		if !clash {
			return name
		}
		if !more {
			return fmt.Sprintf("%s-%016x", name, xxhash.Sum64String(path))
		}
	}
}

// folderName is made of the last parts of a path; more says whether there are further ones.
func folderName(path string, parts int) (name string, more bool) {
	all := strings.FieldsFunc(path, func(r rune) bool { return r == filepath.Separator })
	from := max(0, len(all)-parts)
	return proto.LaneName(strings.Join(all[from:], "-")), from > 0
}
