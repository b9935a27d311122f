// Package durable makes files survive a power cut.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// temporary is what a file is called until it is whole.
const temporary = ".tmp"

// Sync makes a file's content, or the names in a folder, durable.
func Sync(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// WriteFile replaces a file, whole or not at all; it is durable when this returns nil. ready, if not nil, is called once
// the content is durable under another name: an error of it leaves the file as it was.
func WriteFile(path string, content []byte, mode fs.FileMode, ready func() error) error {
	aside := path + temporary
	f, err := os.OpenFile(aside, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if ready != nil {
		if err := ready(); err != nil {
			return err
		}
	}
	if err := os.Rename(aside, path); err != nil {
		return err
	}
	return Sync(filepath.Dir(path))
}
