package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"claude-analytics/internal/config"
	"claude-analytics/internal/warehouse"
)

// Kinds of file systems that doctor speaks of, as statfs numbers them.
var fileSystems = map[int64]struct{ name, problem string }{
	0x01021994: {"tmpfs", "what is in memory is gone after a restart"},
	0x858458f6: {"ramfs", "what is in memory is gone after a restart"},
	0x794c7630: {"overlayfs", "a container's own layer is gone with the container"},
	0x6969:     {"NFS", "locks and syncs of a network file system cannot be relied upon"},
	0xff534d42: {"CIFS", "locks and syncs of a network file system cannot be relied upon"},
	0xfe534d42: {"SMB", "locks and syncs of a network file system cannot be relied upon"},
	0x01021997: {"9p", "locks and syncs of a shared folder cannot be relied upon"},
	0x65735546: {"FUSE", "locks and syncs of such a file system may not be reliable"},
}

const (
	// fewInodes is how many files must still be possible.
	fewInodes = 10_000
	// oldLeftover is the age from which a temporary file is nobody's any more.
	oldLeftover = time.Hour
)

// disk is a file system that data stands on.
type disk struct {
	// uses are our folders on it.
	uses   []string
	device uint64
	stat   unix.Statfs_t
}

// disks finds the file systems of all our folders, as far as those exist.
func disks(cfg config.Loaded) []disk {
	var found []disk
	for _, dir := range []string{cfg.DataDir, cfg.LakeDir(), cfg.StreamDir(), filepath.Dir(cfg.WarehousePath())} {
		var stat unix.Stat_t
		if unix.Stat(dir, &stat) != nil {
			continue
		}
		at := -1
		for i := range found {
			if found[i].device == stat.Dev {
				at = i
			}
		}
		if at < 0 {
			one := disk{device: stat.Dev}
			if unix.Statfs(dir, &one.stat) != nil {
				continue
			}
			found = append(found, one)
			at = len(found) - 1
		}
		found[at].uses = append(found[at].uses, dir)
	}
	return found
}

func (d disk) free() int64 { return int64(d.stat.Bavail) * int64(d.stat.Bsize) }

func (d disk) holds(dir string) bool {
	for _, use := range d.uses {
		if use == dir {
			return true
		}
	}
	return false
}

// checkDisks looks at each file system that data stands on.
func checkDisks(cfg config.Loaded) []finding {
	var findings []finding
	for _, d := range disks(cfg) {
		findings = append(findings, checkSpace(cfg, d), checkFileSystem(d))
		if d.stat.Files > 0 && d.stat.Ffree < fewInodes {
			findings = append(findings, bad("disk-inodes", fmt.Sprintf("%s: only %s more files can be made", d.uses[0], count(d.stat.Ffree)),
				"remove small files on this disk, or move DATA_DIR to another"))
		}
	}
	return findings
}

// checkSpace compares what is free with what the settings let our files grow to, as far as that can be said: the
// stream up to its limit, the warehouse once more for a rewriting.
func checkSpace(cfg config.Loaded, d disk) finding {
	const id = "disk-space"
	free, needs := d.free(), int64(0)
	var why []string
	if cfg.NATSURL == "" && d.holds(cfg.StreamDir()) && cfg.StreamMaxBytes > 0 {
		// S2 halves what is typical; the limit counts before compression.
		if grow := int64(cfg.StreamMaxBytes)/2 - sizeOf(cfg.StreamDir()); grow > 0 {
			needs += grow
			why = append(why, fmt.Sprintf("the stream may grow by about %s (STREAM_MAX_BYTES)", gib(grow)))
		}
	}
	if size := sizeOf(cfg.WarehousePath()); size > 0 && d.holds(filepath.Dir(cfg.WarehousePath())) {
		needs += size
		why = append(why, fmt.Sprintf("the warehouse (%s) may be written anew beside itself", gib(size)))
	}
	seen := fmt.Sprintf("%s: %s free", d.uses[0], gib(free))
	switch {
	case free < leastFreeDisk:
		return bad(id, seen, "free some space, lower STREAM_MAX_BYTES or STREAM_MAX_AGE, or move DATA_DIR")
	case free < needs:
		return warn(id, seen+"; "+strings.Join(why, ", "), "free some space, lower STREAM_MAX_BYTES, or move DATA_DIR to a larger disk")
	}
	return good(id, seen)
}

func checkFileSystem(d disk) finding {
	const id = "disk-kind"
	kind, known := fileSystems[int64(uint32(d.stat.Type))]
	if !known {
		return good(id, d.uses[0]+": a local file system")
	}
	return warn(id, fmt.Sprintf("%s is on %s: %s", d.uses[0], kind.name, kind.problem), "move DATA_DIR to a local disk, or mount a volume there")
}

// checkRenames sees that what is written aside can be renamed into place.
func checkRenames(cfg config.Loaded) []finding {
	var findings []finding
	device := func(path string) (uint64, bool) {
		var stat unix.Stat_t
		err := unix.Stat(path, &stat)
		return stat.Dev, err == nil
	}
	lake, ok := device(cfg.LakeDir())
	if !ok {
		return nil
	}
	entries, _ := os.ReadDir(cfg.LakeDir())
	for _, entry := range entries {
		path := filepath.Join(cfg.LakeDir(), entry.Name())
		if other, ok := device(path); ok && other != lake {
			findings = append(findings, bad("disk-rename", path+" is on another file system than the lake around it", "keep DATA_DIR/raw on one file system"))
		}
	}
	return findings
}

// checkLeftovers finds temporary files that nobody writes any more, and a lock that nobody holds.
func checkLeftovers(cfg config.Loaded, running bool) []finding {
	var findings []finding
	var names []string
	_ = filepath.WalkDir(cfg.LakeDir(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".tmp") {
			return nil //nolint:nilerr // what cannot be read is another check's
		}
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > oldLeftover {
			names = append(names, path)
		}
		return nil
	})
	if len(names) > 0 {
		findings = append(findings, warn("leftover-files", fmt.Sprintf("%d temporary files that nobody writes any more, such as %s", len(names), names[0]),
			"start the service, or run `claude-analytics load`: opening the lake removes them"))
	}
	if !running {
		spills, _ := warehouse.SpillFolders(cfg.WarehousePath()) // without its folder there is nothing to find
		for _, spill := range spills {
			if size := sizeOf(spill); size > 0 {
				findings = append(findings, warn("leftover-files", fmt.Sprintf("%s holds %s that a killed process had spilled", spill, gib(size)), "it is removed at the next start"))
			}
		}
		if info, err := os.Stat(cfg.LockPath()); err == nil && info.Size() > 0 {
			findings = append(findings, warn("stale-lock", "the last service on this DATA_DIR did not end by itself (killed, out of memory, or a power cut)",
				"nothing has to be removed: the next start sees it; its log, or the kernel's (dmesg), may say why"))
		}
	}
	return findings
}

// sizeOf is what a file, or all files below a folder, take; 0 if there is none.
func sizeOf(path string) (total int64) {
	_ = filepath.WalkDir(path, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrPermission) {
				return fs.SkipDir
			}
			return nil
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total
}

func gib(bytes int64) string { return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30)) }
