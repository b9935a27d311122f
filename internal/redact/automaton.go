package redact

// automaton finds all words of a set in one pass over a text, ASCII letters in either case (Aho and Corasick's, as a
// table). Words are lower-case ASCII.
type automaton struct {
	class [256]uint8
	next  []uint16 // state<<6 | class
	first uint16   // states from here on have words that end in them
	ends  [][]int32
	words int
	// longest is the longest word's length, bytes.
	longest int
}

const (
	classShift  = 6
	maxClasses  = 1 << classShift
	maxAutomata = 1<<16 - 1 // states
)

// trieNode is a state before its transitions are complete.
type trieNode struct {
	next  map[uint8]int
	ends  []int32
	depth int
}

// newAutomaton returns one for the words, whose indexes it reports; false if they do not fit into its table.
func newAutomaton(words []string) (*automaton, bool) {
	a := &automaton{words: len(words)}
	classes := 1
	for _, word := range words {
		a.longest = max(a.longest, len(word))
		for i := range len(word) {
			if c := word[i]; a.class[c] == 0 {
				if classes == maxClasses {
					return nil, false
				}
				a.class[c] = uint8(classes)
				classes++
			}
		}
	}
	for c := byte('A'); c <= 'Z'; c++ {
		a.class[c] = a.class[c|0x20]
	}
	nodes := []trieNode{{next: map[uint8]int{}}}
	for n, word := range words {
		at := 0
		for i := range len(word) {
			class := a.class[word[i]]
			child, ok := nodes[at].next[class]
			if !ok {
				child = len(nodes)
				nodes[at].next[class] = child
				nodes = append(nodes, trieNode{next: map[uint8]int{}, depth: nodes[at].depth + 1})
			}
			at = child
		}
		nodes[at].ends = append(nodes[at].ends, int32(n))
	}
	if len(nodes) > maxAutomata {
		return nil, false
	}
	a.build(nodes, classes)
	return a, true
}

// build completes the transitions, breadth first, and numbers the states so that those with words come last.
func (a *automaton) build(nodes []trieNode, classes int) {
	fail := make([]int, len(nodes))
	full := make([][maxClasses]int, len(nodes))
	order := []int{0}
	for i := 0; i < len(order); i++ {
		at := order[i]
		for class := range classes {
			child, ok := nodes[at].next[uint8(class)]
			switch {
			case !ok && at == 0:
				full[at][class] = 0
			case !ok:
				full[at][class] = full[fail[at]][class]
			default:
				full[at][class] = child
				if at != 0 {
					fail[child] = full[fail[at]][class]
				}
				order = append(order, child)
			}
		}
		if at != 0 {
			nodes[at].ends = append(nodes[at].ends, nodes[fail[at]].ends...)
		}
	}
	number := make([]uint16, len(nodes))
	count := uint16(0)
	for _, withEnds := range []bool{false, true} {
		if withEnds {
			a.first = count
		}
		for _, at := range order {
			if (len(nodes[at].ends) > 0) == withEnds {
				number[at] = count
				count++
			}
		}
	}
	a.next = make([]uint16, len(nodes)<<classShift)
	a.ends = make([][]int32, len(nodes)-int(a.first))
	for at := range nodes {
		state := number[at]
		for class := range classes {
			a.next[int(state)<<classShift|class] = number[full[at][class]]
		}
		if state >= a.first {
			a.ends[state-a.first] = nodes[at].ends
		}
	}
}

// step is the state behind one more letter.
func (a *automaton) step(state uint16, c byte) uint16 {
	return a.next[int(state)<<classShift|int(a.class[c])]
}

// scan calls hit with each word's index and the offset behind its end, until hit returns false.
func (a *automaton) scan(text []byte, hit func(word int32, end int) bool) {
	first := a.first
	state := uint16(0)
	for i := range len(text) {
		state = a.step(state, text[i])
		if state >= first {
			for _, word := range a.ends[state-first] {
				if !hit(word, i+1) {
					return
				}
			}
		}
	}
}

// contains reports whether any of the words is in the text.
func (a *automaton) contains(text []byte) bool {
	found := false
	a.scan(text, func(int32, int) bool { found = true; return false })
	return found
}
