package modeler

import (
	"fmt"
	"io/fs"
	"os"
	"time"

	"claude-analytics/modeler/prices"
)

// priceFile is the file that PRICES names, as it was when the project was read.
type priceFile struct {
	path     string // empty: none
	modified time.Time
	size     int64
}

// changed is whether the file is another one than was read, so that the costs must be computed anew.
func (f *priceFile) changed() bool {
	if f.path == "" {
		return false
	}
	info, err := os.Stat(f.path)
	return err != nil || !info.ModTime().Equal(f.modified) || info.Size() != f.size
}

// into returns the project with the file's prices in it.
func (f *priceFile) into(fsys fs.FS) (fs.FS, error) {
	if f.path == "" {
		return prices.Into(fsys, nil)
	}
	info, err := os.Stat(f.path)
	if err != nil {
		return nil, fmt.Errorf("read the price list that PRICES names: %w", err)
	}
	text, err := os.ReadFile(f.path)
	if err != nil {
		return nil, fmt.Errorf("read the price list that PRICES names: %w", err)
	}
	f.modified, f.size = info.ModTime(), info.Size()
	return prices.Into(fsys, &prices.Own{Name: f.path, Text: text})
}
