package scripted

import (
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Fault says which commands are answered with which error. The first fault that fits a command decides.
type Fault struct {
	Command string              // "aggregate", "getMore", "find", …
	When    func(bson.Raw) bool // only these; nil: all of that name. It must not call the Set.
	Times   int                 // so many, then it is over; 0: until Heal

	Code    int32
	Name    string   // the code's name; it may stay empty
	Message string   // it may stay empty
	Labels  []string // such as ResumableChangeStreamError
}

// fault is one of the ways in which a command goes wrong.
type fault struct {
	Fault
	cut  bool
	hang time.Duration
}

// Fail answers commands with an error.
func (s *Set) Fail(f Fault) { s.add(fault{Fault: f}) }

// CutReply carries commands out, but sends the first half of the reply and closes the connection. times as in Fault.
func (s *Set) CutReply(command string, times int) {
	s.add(fault{Fault: Fault{Command: command, Times: times}, cut: true})
}

// Hang lets each such command wait before it is carried out, until Heal.
func (s *Set) Hang(command string, d time.Duration) {
	s.add(fault{Fault: Fault{Command: command}, hang: d})
}

// Heal ends all faults, and Refuse. Commands that hang go on.
func (s *Set) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
	s.refusing = false
	s.wake()
}

func (s *Set) add(f fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// faultFor takes the fault that this command meets, nil if none. The caller holds the lock.
func (s *Set) faultFor(name string, cmd bson.Raw) *fault {
	for i, f := range s.faults {
		if f.Command != name || f.When != nil && !f.When(cmd) {
			continue
		}
		switch f.Times {
		case 0:
		case 1:
			s.faults = slices.Delete(s.faults, i, i+1)
		default:
			f.Times--
		}
		return f
	}
	return nil
}

// hangs waits out a fault's delay. The caller holds the lock, which is given up meanwhile.
func (s *Set) hangs(f *fault) {
	timer := time.NewTimer(f.hang)
	defer timer.Stop()
	for slices.Contains(s.faults, f) {
		if !s.wait(timer.C) {
			return
		}
	}
}

// received is a command and its name.
type received struct {
	name string
	cmd  bson.Raw
}

// Commands are the commands of this name that came in, oldest first, those that failed among them.
func (s *Set) Commands(name string) []bson.Raw {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []bson.Raw
	for _, r := range s.received {
		if r.name == name {
			out = append(out, r.cmd)
		}
	}
	return out
}
