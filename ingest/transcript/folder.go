package transcript

import (
	"os"
	"strings"
)

// Extension is what a transcript's name ends with.
const Extension = ".jsonl"

// Folder is a tree of transcripts.
type Folder struct {
	// Name is the folder's in its lane: part of every row key, so it must stay the same.
	Name string
	// Path is absolute and clean.
	Path string
}

// file is the absolute path of one below the folder.
func (f Folder) file(path string) string {
	if path == "" {
		return f.Path
	}
	return strings.TrimSuffix(f.Path, "/") + "/" + path
}

// below is the inverse of file; false if the path is not below the folder.
func (f Folder) below(file string) (string, bool) {
	if file == f.Path {
		return "", true
	}
	return strings.CutPrefix(file, strings.TrimSuffix(f.Path, "/")+"/")
}

func isTranscript(name string) bool { return strings.HasSuffix(name, Extension) }

// found is a transcript as a look at its folder showed it.
type found struct {
	fileKey
	id       inode
	size     int64
	modified int64 // nanoseconds since 1970
}

// fileKey names a file: the index of its folder, and the path below it with forward slashes.
type fileKey struct {
	folder int
	path   string
}

func foundOf(key fileKey, info os.FileInfo) found {
	return found{fileKey: key, id: inodeOf(info), size: info.Size(), modified: info.ModTime().UnixNano()}
}
