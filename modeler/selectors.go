package modeler

import (
	"errors"

	"claude-analytics/modeler/project"
)

// ErrSelector is wrapped by the error of a selector that cannot be read, or that names nothing.
var ErrSelector = project.ErrSelector

// CheckSelectors sees that selectors name models of the project that is built in.
func CheckSelectors(selectors, exclude []string) error {
	p, err := project.Load(Models(), map[string]any{"report_tz": "UTC"})
	if err != nil {
		return err
	}
	_, err = p.Select(selectors, exclude)
	return err
}

// checkSelectors runs with the turn held. Faults of the project itself are the refresh's to tell.
func (m *Modeler) checkSelectors(opts Options) error {
	if len(opts.Select)+len(opts.Exclude) == 0 {
		return nil
	}
	p, err := m.load(opts)
	if err != nil {
		return nil //nolint:nilerr // the refresh fails with it, and counts it
	}
	if _, err = p.Select(opts.Select, opts.Exclude); errors.Is(err, ErrSelector) {
		return err
	}
	return nil
}
