package transcript

import (
	"errors"

	"github.com/fsnotify/fsnotify"
)

// errUnwatched is returned for a directory of which no events will come.
var errUnwatched = errors.New("directory is not watched")

// watcher is the system's events of changed files. They only make things quick: without any, a file is found by
// looking. The zero channels of one that is not open never deliver.
type watcher struct {
	*fsnotify.Watcher
	// off: nothing is to be watched. refuse is what add returns instead of watching, if it is set.
	off    bool
	refuse error
}

func (w *watcher) open() error {
	// The system queues events too; a buffer here keeps its queue from filling while we are busy.
	inner, err := fsnotify.NewBufferedWatcher(1024)
	if err != nil {
		w.refuse = errUnwatched
		return err
	}
	w.Watcher = inner
	return nil
}

// add asks for events of a directory.
func (w *watcher) add(dir string) error {
	switch {
	case w.off:
		return nil
	case w.refuse != nil:
		return w.refuse
	}
	return w.Add(dir)
}

func (w *watcher) close() {
	if w.Watcher != nil {
		_ = w.Close() // nothing depends on it any more
	}
}

func (w *watcher) events() <-chan fsnotify.Event {
	if w.Watcher == nil {
		return nil
	}
	return w.Events
}

func (w *watcher) errors() <-chan error {
	if w.Watcher == nil {
		return nil
	}
	return w.Errors
}
