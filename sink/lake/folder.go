package lake

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Fault is something wrong with the lake's folder that a person has to see to. The lake goes on with the rest.
type Fault struct {
	// Path below the lake's folder.
	Path    string `json:"path"`
	Problem string `json:"problem"`
	Remedy  string `json:"remedy"`
}

// Error implements error.
func (f Fault) Error() string { return fmt.Sprintf("%s: %s; remedy: %s", f.Path, f.Problem, f.Remedy) }

// folder is what the lake knows of its folder. A value is not changed once others may read it, but for appending.
type folder struct {
	entries    []Entry
	epochs     []EpochRecord
	faults     []Fault
	files      int
	rows       int64
	bytes      int64
	removed    int
	removedNow []string
}

func (f *folder) fault(path, problem, remedy string) {
	f.faults = append(f.faults, Fault{Path: path, Problem: problem, Remedy: remedy})
}

func (f *folder) add(e Entry) {
	f.entries = append(f.entries, e)
	f.count(e)
}

func (f *folder) count(e Entry) {
	f.files += len(e.Files)
	for _, file := range e.Files {
		f.rows += max(file.Rows, 0)
		f.bytes += file.Bytes
	}
}

func (f folder) watermark() Mark {
	if len(f.entries) == 0 {
		return Mark{}
	}
	return f.entries[len(f.entries)-1].Mark()
}

// covers reports that the lake's watermark is at or above a change.
func (f folder) covers(epoch, seq uint64) bool {
	mark := f.watermark()
	return mark.Epoch > epoch || mark.Epoch == epoch && mark.Seq >= seq
}

func (f folder) numbers() Stats {
	return Stats{
		Batches: len(f.entries), Files: f.files, Rows: f.rows, Bytes: f.bytes, Removed: f.removed, Faults: len(f.faults),
	}
}

// readFolder reads the manifest, compares it with the files, and removes what an unfinished write left: temporary
// files, and Parquet files above the watermark that no entry names. before is what was known, so that entries are
// read once. aside says what is being written and no leftover.
func readFolder(disk FS, dir string, before folder, aside func(string) bool) (folder, error) {
	f := folder{removed: before.removed}
	// What is seen below is built upon, so it must survive a power cut: the writer may have died before its own sync.
	for _, d := range []string{filepath.Join(dir, manifestDir), dir} {
		if err := disk.SyncDir(d); err != nil {
			return folder{}, err
		}
	}
	if err := f.readEpochs(disk, dir); err != nil {
		return folder{}, err
	}
	entries, unreadable, err := f.readManifest(disk, dir, before)
	if err != nil {
		return folder{}, err
	}
	files, err := f.readDates(disk, dir, aside)
	if err != nil {
		return folder{}, err
	}
	f.compare(entries, unreadable, files)
	if err := f.removeOrphans(disk, dir, files); err != nil {
		return folder{}, err
	}
	return f, nil
}

// readManifest reads all entries; unreadable holds the names of those that are there and cannot be read.
func (f *folder) readManifest(disk FS, dir string, before folder) (entries []Entry, unreadable map[string]bool, err error) {
	known := make(map[string]Entry, len(before.entries))
	for _, e := range before.entries {
		known[e.stem()] = e
	}
	list, err := disk.ReadDir(filepath.Join(dir, manifestDir))
	if err != nil {
		return nil, nil, err
	}
	unreadable = map[string]bool{}
	var temporaries []string
	for _, item := range list {
		name := path.Join(manifestDir, item.Name())
		stem, isEntry := strings.CutSuffix(item.Name(), jsonSuffix)
		switch _, _, _, named := parseStem(stem); {
		case strings.HasSuffix(item.Name(), temporary):
			temporaries = append(temporaries, name)
		case item.Name() == epochsFile, item.Name() == retentionFile, isErasure(item.Name()):
		case !isEntry || !named:
			f.fault(name, "not a manifest entry", "move it out of the lake's folder")
		default:
			if e, ok := known[stem]; ok {
				entries = append(entries, e)
				continue
			}
			text, err := disk.ReadFile(filepath.Join(dir, manifestDir, item.Name()))
			if err != nil {
				return nil, nil, err
			}
			e, err := parseEntry(stem, text)
			if errors.Is(err, ErrVersion) {
				return nil, nil, fmt.Errorf("%s: %w", name, err)
			}
			if err != nil {
				f.fault(name, fmt.Sprintf("the manifest entry cannot be read: %v", err),
					"restore it from a backup; until then its Parquet files count by their names")
				unreadable[stem] = true
				continue
			}
			entries = append(entries, e)
		}
	}
	return entries, unreadable, f.remove(disk, dir, temporaries)
}

// readDates lists the Parquet files of all dates with their sizes.
func (f *folder) readDates(disk FS, dir string, aside func(string) bool) (map[string]int64, error) {
	dates, err := disk.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files := map[string]int64{}
	var temporaries []string
	for _, date := range dates {
		if !date.IsDir() || !strings.HasPrefix(date.Name(), datePrefix) {
			continue
		}
		list, err := disk.ReadDir(filepath.Join(dir, date.Name()))
		if err != nil {
			return nil, err
		}
		for _, item := range list {
			name := path.Join(date.Name(), item.Name())
			switch {
			case strings.HasSuffix(name, parquetSuffix+temporary), strings.HasSuffix(name, parquetSuffix+asideSuffix) && !aside(name):
				temporaries = append(temporaries, name)
			case strings.HasSuffix(name, parquetSuffix):
				info, err := item.Info()
				if err != nil {
					return nil, err
				}
				files[name] = info.Size()
			}
		}
	}
	return files, f.remove(disk, dir, temporaries)
}

// compare takes the files that entries name out of files, reports those that are missing, and puts the entries in order.
func (f *folder) compare(entries []Entry, unreadable map[string]bool, files map[string]int64) {
	for _, e := range entries {
		for _, file := range e.Files {
			size, ok := files[file.Path]
			delete(files, file.Path)
			remedy := "restore it from a backup; or delete the manifest entry " + path.Join(manifestDir, e.stem()+jsonSuffix) +
				" and fetch its documents anew with: claude-analytics extract --full-backfill"
			switch {
			case !ok:
				f.fault(file.Path, fmt.Sprintf("the file is missing; the manifest says that it holds %d rows", file.Rows), remedy)
			case size != file.Bytes:
				f.fault(file.Path, fmt.Sprintf("the file has %d bytes; the manifest says %d", size, file.Bytes), remedy)
			}
		}
	}
	for stem := range unreadable {
		entries = append(entries, f.rebuildEntry(stem, files))
	}
	slices.SortFunc(entries, compareEntries)
	for _, e := range entries {
		f.add(e)
	}
}

// rebuildEntry makes what the names tell of an entry that cannot be read.
func (f *folder) rebuildEntry(name string, files map[string]int64) Entry {
	e := Entry{Version: Version}
	e.Epoch, e.First, e.Last, _ = parseStem(name)
	e.Seen = e.Last
	for _, record := range f.epochs {
		if record.Epoch == e.Epoch {
			e.Stream = record.Stream
		}
	}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		// A file that was merged has a range of its own; the entry that its last change belongs to named it.
		epoch, _, last, ok := parseStem(strings.TrimSuffix(path.Base(file), parquetSuffix))
		if ok && epoch == e.Epoch && e.First <= last && last <= e.Last {
			e.Files = append(e.Files, EntryFile{Path: file, Rows: -1, Bytes: files[file]})
			delete(files, file)
		}
	}
	return e
}

// removeOrphans removes the files of a batch that never got its entry, and of late rows that never got into theirs. Such
// a batch stood above the watermark, such rows within a batch; a file that no entry names and that does neither is not
// ours to remove: somebody took its entry away.
func (f *folder) removeOrphans(disk FS, dir string, files map[string]int64) error {
	var orphans []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		epoch, first, last, ok := parseStem(strings.TrimSuffix(path.Base(name), parquetSuffix))
		switch {
		case !ok:
			f.fault(name, "a Parquet file that the lake did not write", "move it out: who reads the folder by pattern reads it too")
		case f.within(epoch, first, last):
			orphans = append(orphans, name)
		case f.covers(epoch, first) || len(f.epochs) == 0:
			f.fault(name, "no manifest entry names this file",
				"restore raw/_manifest from a backup; or move the file out and apply it with: claude-analytics load FILE")
		default:
			orphans = append(orphans, name)
		}
	}
	return f.remove(disk, dir, orphans)
}

// remove removes files below dir, and makes that durable: what came back after a power cut would be read as data.
func (f *folder) remove(disk FS, dir string, names []string) error {
	touched := map[string]bool{}
	for _, name := range names {
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err := disk.Remove(full); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		touched[filepath.Dir(full)] = true
		f.removed++
		f.removedNow = append(f.removedNow, name)
	}
	for _, d := range slices.Sorted(maps.Keys(touched)) {
		if err := disk.SyncDir(d); err != nil {
			return err
		}
	}
	return nil
}
