package transcript

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// walk is what one look at the folders, or at a part of one, showed.
type walk struct {
	// full is true if it covers all folders: what it does not show is not there. Otherwise parts are the directories.
	full  bool
	parts int
	files []found
	// missing are the folders (by index) that do not exist.
	missing []int
	// failures are what could not be read, by path.
	failures map[string]error
	// unwatched counts the folders for which no events will come; links is true if a part has symbolic links, which
	// only a full walk follows.
	unwatched int
	links     bool
	took      time.Duration
}

// walker looks through folders. Symbolic links are followed after everything that is really there, and nothing is
// looked through twice, so that a loop ends and a file has one name, always the same.
type walker struct {
	folders []Folder
	// watch asks for events of a directory; it comes before the directory is read, so that nothing falls between.
	watch func(dir string) error

	walk
	visited map[inode]bool
	roots   map[inode]bool
	pending []fileKey // symbolic links
}

// all looks through all folders.
func (w *walker) all(ctx context.Context) walk {
	start := time.Now()
	present := w.begin(true)
	for _, i := range present {
		w.tree(ctx, fileKey{folder: i})
	}
	w.follow(ctx)
	w.took = time.Since(start)
	return w.walk
}

// some looks through directories that have just appeared.
func (w *walker) some(ctx context.Context, dirs []fileKey) walk {
	w.begin(false)
	for _, dir := range dirs {
		w.tree(ctx, dir)
	}
	w.parts = len(dirs)
	w.links = len(w.pending) > 0
	return w.walk
}

// begin starts a walk and returns the folders that are there.
func (w *walker) begin(full bool) (present []int) {
	w.walk = walk{full: full, failures: map[string]error{}}
	w.visited, w.roots, w.pending = map[inode]bool{}, map[inode]bool{}, nil
	for i, folder := range w.folders {
		info, err := os.Stat(folder.Path)
		switch {
		case err == nil && info.IsDir():
			present = append(present, i)
			if id := inodeOf(info); id != (inode{}) {
				w.roots[id] = true
			}
		case err == nil:
			w.failures[folder.Path] = errors.New("is not a folder")
		case errors.Is(err, fs.ErrNotExist):
			w.missing = append(w.missing, i)
		default:
			w.failures[folder.Path] = err
		}
	}
	return present
}

// tree looks through a directory and all below it.
func (w *walker) tree(ctx context.Context, top fileKey) {
	for stack := []fileKey{top}; len(stack) > 0 && ctx.Err() == nil; {
		dir := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		path := w.folders[dir.folder].file(dir.path)
		watchErr := w.watch(path)
		entries, err := os.ReadDir(path)
		switch {
		case err == nil && watchErr != nil:
			w.unwatched++
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			w.failures[path] = err
		}
		for _, entry := range entries {
			key := fileKey{dir.folder, strings.TrimPrefix(dir.path+"/"+entry.Name(), "/")}
			switch kind := entry.Type(); {
			case kind&fs.ModeSymlink != 0:
				w.pending = append(w.pending, key)
			case kind.IsDir():
				if info, err := entry.Info(); err == nil && w.enter(inodeOf(info)) {
					stack = append(stack, key)
				}
			case kind.IsRegular() && isTranscript(key.path):
				if info, err := entry.Info(); err == nil {
					w.files = append(w.files, foundOf(key, info))
				}
			}
		}
	}
}

// enter reports whether a directory is to be looked through here: it has not been yet, and no folder begins there.
func (w *walker) enter(id inode) bool {
	if id == (inode{}) {
		return true
	}
	if w.roots[id] || w.visited[id] {
		return false
	}
	w.visited[id] = true
	return true
}

// follow looks at what symbolic links lead to. It takes them in the order of their names, and those that it meets on
// the way after them.
func (w *walker) follow(ctx context.Context) {
	present, counted := map[inode]bool{}, 0
	for len(w.pending) > 0 && ctx.Err() == nil {
		links := w.pending
		w.pending = nil
		slices.SortFunc(links, compareKeys)
		for _, key := range links {
			path := w.folders[key.folder].file(key.path)
			info, err := os.Stat(path)
			if err != nil {
				if !errors.Is(err, fs.ErrNotExist) || isTranscript(path) {
					w.failures[path] = err
				}
				continue
			}
			id := inodeOf(info)
			switch {
			case info.IsDir():
				if id != (inode{}) && w.enter(id) {
					w.tree(ctx, key)
				}
			case info.Mode().IsRegular() && isTranscript(path):
				for ; counted < len(w.files); counted++ {
					present[w.files[counted].id] = true
				}
				if id == (inode{}) || !present[id] {
					w.files = append(w.files, foundOf(key, info))
				}
			}
		}
	}
}

func compareKeys(a, b fileKey) int {
	if a.folder != b.folder {
		return a.folder - b.folder
	}
	return strings.Compare(a.path, b.path)
}
