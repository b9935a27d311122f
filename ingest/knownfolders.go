package ingest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// FileGone returns what says of a file of a lane's folder that it is no longer there. Of a lane that is not this
// DATA_DIR's, or of a folder that is not there as a whole, that cannot be said.
func (i *Identity) FileGone() (func(lane, folder, path string) bool, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	id, err := loadIdentity(i.path)
	if err != nil {
		return nil, err
	}
	return func(lane, folder, path string) bool {
		known := id.Lanes[lane]
		if known == nil || known.Folders[folder] == "" {
			return false
		}
		root := known.Folders[folder]
		if _, err := os.Stat(root); err != nil {
			return false
		}
		_, err := os.Lstat(filepath.Join(root, filepath.FromSlash(path)))
		return errors.Is(err, fs.ErrNotExist)
	}, nil
}
