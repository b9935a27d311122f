//go:build unix

package transcript

import (
	"os"
	"syscall"
)

// inodeOf is by what a file is known again under another name.
func inodeOf(info os.FileInfo) inode {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return inode{device: uint64(stat.Dev), number: stat.Ino}
	}
	return inode{}
}
