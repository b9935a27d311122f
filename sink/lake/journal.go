package lake

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
)

const (
	journalFile = "rewrite.json"
	// asideSuffix follows a new file's name until it takes its place. Who reads the folder by pattern does not see it.
	asideSuffix = ".new"
)

// journal says what a rewriting does to the folder. Its appearance decides that it happens: from then on each step is
// carried out, by this process or by the next one, and all of them may be carried out again.
type journal struct {
	Version int `json:"version"`
	// Moves are files that stand whole beside their place.
	Moves []string `json:"moves"`
	// Entries stand in the manifest afterwards, Gone (their names) no longer.
	Entries []Entry  `json:"entries"`
	Gone    []string `json:"gone"`
	// Remove are files that no entry names any more.
	Remove []string `json:"remove"`
}

// newJournal plans how the manifest changes; after is what it then is.
func newJournal(before folder, pending []replacement, merge bool) (j journal, after []Entry, err error) {
	j.Version = Version
	// Of each group, the entry of its newest file names the new one.
	goes, comes := map[string]bool{}, map[string]*EntryFile{}
	at := map[string]int{}
	for i, e := range before.entries {
		for _, f := range e.Files {
			at[f.Path] = i
		}
	}
	for _, r := range pending {
		newest := r.old[0]
		for _, name := range r.old {
			i, ok := at[name]
			if !ok {
				return j, nil, fmt.Errorf("%s is no longer a file of the lake", name)
			}
			if i > at[newest] {
				newest = name
			}
			goes[name] = true
		}
		if r.file != nil {
			comes[newest] = r.file
			j.Moves = append(j.Moves, r.file.Path)
		}
	}
	for _, e := range before.entries {
		changed := e
		changed.Files = nil
		for _, f := range e.Files {
			if !goes[f.Path] {
				changed.Files = append(changed.Files, f)
			}
			if file := comes[f.Path]; file != nil {
				changed.Files = append(changed.Files, *file)
			}
		}
		after = append(after, changed)
	}
	if merge {
		after = mergeEntries(after)
	}
	j.plan(before.entries, after)
	for name := range goes {
		if !slices.Contains(j.Moves, name) {
			j.Remove = append(j.Remove, name)
		}
	}
	slices.Sort(j.Remove)
	return j, after, nil
}

// plan finds which entries' files change.
func (j *journal) plan(before, after []Entry) {
	was := map[string]Entry{}
	for _, e := range before {
		was[e.stem()] = e
	}
	for _, e := range after {
		old, ok := was[e.stem()]
		delete(was, e.stem())
		if !ok || !slices.Equal(old.Files, e.Files) {
			j.Entries = append(j.Entries, e)
		}
	}
	j.Gone = slices.Sorted(maps.Keys(was))
}

const (
	// A merged entry holds at most so much: what a rebuild that was interrupted does again.
	mergedRows  = 200_000
	mergedFiles = 512
)

// mergeEntries makes one of neighbours. The newest stays by itself: a batch that is landed again is known by it.
func mergeEntries(entries []Entry) []Entry {
	var out []Entry
	for i, e := range entries {
		if n := len(out) - 1; i > 0 && i < len(entries)-1 {
			last := &out[n]
			if last.Epoch == e.Epoch && last.Stream.Equal(e.Stream) && last.Rows()+e.Rows() <= mergedRows && len(last.Files)+len(e.Files) <= mergedFiles {
				e.First, e.Files = last.First, append(slices.Clone(last.Files), e.Files...)
				*last = e
				continue
			}
		}
		out = append(out, e)
	}
	return out
}

// dirs are those in which files change places.
func (j *journal) dirs(root string) []string {
	dirs := map[string]bool{}
	for _, name := range slices.Concat(j.Moves, j.Remove) {
		dirs[filepath.Join(root, filepath.FromSlash(path.Dir(name)))] = true
	}
	return slices.Sorted(maps.Keys(dirs))
}

func (l *Lake) writeJournal(j journal) error {
	text, err := json.Marshal(j)
	if err != nil {
		return err
	}
	return writeWhole(l.disk, filepath.Join(l.cfg.Dir, manifestDir, journalFile), func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
}

// carryOut does what the journal says, however much of it was done before. Each step is durable before the next, and
// the new files are there before the manifest names them.
func (j *journal) carryOut(disk FS, root string) error {
	for _, name := range j.Moves {
		full := filepath.Join(root, filepath.FromSlash(name))
		err := disk.Rename(full+asideSuffix, full)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := syncDirs(disk, j.dirs(root)); err != nil {
		return err
	}
	manifest := filepath.Join(root, manifestDir)
	for _, e := range j.Entries {
		if err := putEntry(disk, root, e); err != nil {
			return err
		}
	}
	for _, stem := range j.Gone {
		if err := disk.Remove(filepath.Join(manifest, stem+jsonSuffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := disk.SyncDir(manifest); err != nil {
		return err
	}
	for _, name := range j.Remove {
		if err := disk.Remove(filepath.Join(root, filepath.FromSlash(name))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := syncDirs(disk, j.dirs(root)); err != nil {
		return err
	}
	if err := disk.Remove(filepath.Join(manifest, journalFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return disk.SyncDir(manifest)
}

func syncDirs(disk FS, dirs []string) error {
	for _, dir := range dirs {
		if err := disk.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// Finish carries out what a killed process had decided of a change of files. Nobody else may have the folder, and the lake need
// not be open, which does it too.
func (l *Lake) Finish() (unfinished bool, err error) {
	unfinished, err = hasJournal(l.disk, l.cfg.Dir)
	if err == nil && unfinished {
		err = finishRewriting(l.disk, l.cfg.Dir)
	}
	if err != nil {
		return unfinished, fmt.Errorf("finish the change of files in the lake: %w", err)
	}
	return unfinished, nil
}

func hasJournal(disk FS, root string) (bool, error) {
	_, err := disk.ReadFile(filepath.Join(root, manifestDir, journalFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// finishRewriting carries out what an interrupted rewriting had decided.
func finishRewriting(disk FS, root string) error {
	name := filepath.Join(root, manifestDir, journalFile)
	text, err := disk.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// It is built upon, so it must survive a power cut.
	if err := disk.SyncDir(filepath.Join(root, manifestDir)); err != nil {
		return err
	}
	var j journal
	if err := json.Unmarshal(text, &j); err != nil {
		return fmt.Errorf("%s: %w; remedy: restore it from a backup; it was whole when it was written", name, err)
	}
	if j.Version > Version {
		return fmt.Errorf("%s: %w: format %d, this release reads up to %d", name, ErrVersion, j.Version, Version)
	}
	for _, path := range slices.Concat(j.Moves, j.Remove) {
		if !filePattern.MatchString(path) {
			return fmt.Errorf("%s names a file outside the lake: %q", name, path)
		}
	}
	return j.carryOut(disk, root)
}
