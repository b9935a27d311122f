package redact

import (
	"encoding/binary"
	"fmt"
	"regexp/syntax"
	"slices"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

// gate says whether a pattern may match from some place on. It never says no where the pattern would match: it takes
// every assertion for true but that of the text's end, gives up at what is not ASCII, and looks at gateReach bytes at
// most. Its states are made of the pattern's program when they are first reached.
type gate struct {
	prog    *syntax.Prog
	class   [256]uint8
	classes int
	samples []rune // one rune of each class

	start *gateState
	mu    sync.Mutex
	known map[string]*gateState
}

// gateState is a set of places in the program.
type gateState struct {
	next []atomic.Pointer[gateState]
	at   []uint32
	// ends says that the pattern matches if the text ends here. Most of what looks like an assigned secret goes on where
	// one would have to end.
	ends bool
}

const (
	gateReach  = 96
	gateStates = 2000 // above that, what is new passes
)

// passes is where it is decided that the pattern may match, fails where it cannot.
var passes, fails = new(gateState), new(gateState)

func newGate(re *syntax.Regexp) (*gate, error) {
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	g := &gate{prog: prog, known: map[string]*gateState{}}
	g.classify()
	g.start = g.state([]uint32{uint32(prog.Start)})
	return g, nil
}

// classify puts bytes together that no instruction tells apart.
func (g *gate) classify() {
	kinds := map[string]uint8{}
	for c := range utf8.RuneSelf {
		var kind []byte
		for i := range g.prog.Inst {
			inst := &g.prog.Inst[i]
			if isRune(inst) {
				bit := byte('0')
				if inst.MatchRune(rune(c)) {
					bit = '1'
				}
				kind = append(kind, bit)
			}
		}
		class, ok := kinds[string(kind)]
		if !ok {
			class = uint8(len(kinds))
			kinds[string(kind)] = class
			g.samples = append(g.samples, rune(c))
		}
		g.class[c] = class
	}
	g.classes = len(kinds) + 1
	for c := utf8.RuneSelf; c < 256; c++ {
		g.class[c] = uint8(len(kinds))
	}
}

func isRune(inst *syntax.Inst) bool {
	switch inst.Op {
	case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
		return true
	}
	return false
}

// state is the one that holds these places and what they lead to without a rune.
func (g *gate) state(from []uint32) *gateState {
	at, matches := g.closure(from, false)
	if matches {
		return passes
	}
	_, ends := g.closure(from, true)
	if len(at) == 0 && !ends {
		return fails
	}
	key := make([]byte, 0, 4*len(at)+1)
	for _, pc := range at {
		key = binary.LittleEndian.AppendUint32(key, pc)
	}
	if ends {
		key = append(key, 'e')
	}
	s, ok := g.known[string(key)]
	if !ok {
		if len(g.known) >= gateStates {
			return passes
		}
		s = &gateState{at: at, ends: ends, next: make([]atomic.Pointer[gateState], g.classes)}
		g.known[string(key)] = s
	}
	return s
}

// closure is what can be reached without a rune, in order: the places that take one, and whether one matches. atEnd
// says that the text ends here.
func (g *gate) closure(from []uint32, atEnd bool) (at []uint32, matches bool) {
	seen := make(map[uint32]bool, 2*len(from))
	for stack := slices.Clone(from); len(stack) > 0; {
		pc := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		switch inst := &g.prog.Inst[pc]; inst.Op {
		case syntax.InstMatch:
			return nil, true
		case syntax.InstAlt, syntax.InstAltMatch:
			stack = append(stack, inst.Out, inst.Arg)
		case syntax.InstEmptyWidth:
			if atEnd || syntax.EmptyOp(inst.Arg)&syntax.EmptyEndText == 0 {
				stack = append(stack, inst.Out)
			}
		case syntax.InstCapture, syntax.InstNop:
			stack = append(stack, inst.Out)
		case syntax.InstFail:
		default:
			at = append(at, pc)
		}
	}
	slices.Sort(at)
	return at, false
}

// step makes the state that follows.
func (g *gate) step(s *gateState, class uint8) *gateState {
	g.mu.Lock()
	defer g.mu.Unlock()
	if next := s.next[class].Load(); next != nil {
		return next
	}
	var to []uint32
	next := fails
	for _, pc := range s.at {
		inst := &g.prog.Inst[pc]
		if int(class) == len(g.samples) {
			if beyondASCII(inst) {
				next = passes
			}
		} else if inst.MatchRune(g.samples[class]) {
			to = append(to, inst.Out)
		}
	}
	if len(to) > 0 {
		next = g.state(to)
	}
	s.next[class].Store(next)
	return next
}

func beyondASCII(inst *syntax.Inst) bool {
	switch inst.Op {
	case syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
		return true
	}
	return slices.ContainsFunc(inst.Rune, func(r rune) bool { return r >= utf8.RuneSelf })
}

// open reports whether the pattern may match text from its beginning; if not, at is the byte that it cannot hold. A
// zero byte may be a text's end, since a document's texts have one behind them.
func (g *gate) open(text []byte) (is bool, at int) {
	s := g.start
	text = text[:min(len(text), gateReach)]
	for i, c := range text {
		if c == 0 && s.ends {
			return true, i
		}
		class := g.class[c]
		next := s.next[class].Load()
		if next == nil {
			next = g.step(s, class)
		}
		if next == passes || next == fails {
			return next == passes, i
		}
		s = next
	}
	return s.ends || len(text) == gateReach, len(text)
}

// openEscaped is open for what text says once its escapes are undone.
func (g *gate) openEscaped(text []byte) bool {
	s := g.start
	var e escapes
	i := 0
	for range gateReach {
		if i >= len(text) {
			return s.ends
		}
		if text[i] == 0 && s.ends {
			return true
		}
		c, n := e.next(text[i:])
		i += n
		class := g.class[c]
		next := s.next[class].Load()
		if next == nil {
			next = g.step(s, class)
		}
		if next == passes || next == fails {
			return next == passes
		}
		s = next
	}
	return true
}
