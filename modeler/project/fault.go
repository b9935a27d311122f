package project

import (
	"fmt"
	"sort"
	"strings"
)

// Fault is one thing wrong with the project, at its place.
type Fault struct {
	File    string // path below the project's root
	Line    int    // from 1; 0 if the fault has no line
	Message string
}

// Error gives file:line: message, as compilers do.
func (f Fault) Error() string {
	if f.Line > 0 {
		return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Message)
	}
	return fmt.Sprintf("%s: %s", f.File, f.Message)
}

// Faults are all that is wrong with a project, ordered by file and line: one load names them all.
type Faults []Fault

// Error gives one fault a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives errors.As each fault.
func (f Faults) Unwrap() []error {
	errs := make([]error, len(f))
	for i, fault := range f {
		errs[i] = fault
	}
	return errs
}

func (f *Faults) add(file string, line int, format string, args ...any) {
	*f = append(*f, Fault{File: file, Line: line, Message: fmt.Sprintf(format, args...)})
}

// err is nil when nothing is wrong.
func (f Faults) err() error {
	if len(f) == 0 {
		return nil
	}
	sort.SliceStable(f, func(i, j int) bool {
		if f[i].File != f[j].File {
			return f[i].File < f[j].File
		}
		return f[i].Line < f[j].Line
	})
	return f
}
