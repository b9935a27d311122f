package bronze

import "math/bits"

// filter answers "surely new" for a row's key, without asking the table: a hash set of 24 bits a key, between 3.3 and 4
// bytes a row once it is large. It never forgets a key, so what it does not know is new; of what it claims to know, one
// in some hundred thousand is new all the same and costs a look at the table.
type filter struct {
	// slots holds three bytes a slot, little endian; zero is empty.
	slots []byte
	size  uint64
	used  int
}

const (
	slotBytes = 3
	// smallest is the number of slots to begin with; below roomy they double, above they grow by a fifth.
	smallest = 1 << 16
	roomy    = 1 << 21
)

// newFilter makes an empty filter with room for the keys that are there and those about to come.
func newFilter(keys int) *filter {
	want := keys + keys/5
	if want < roomy {
		want = keys * 2
	}
	size := max(smallest, want)
	return &filter{slots: make([]byte, size*slotBytes), size: uint64(size)}
}

// holds says whether so many more keys fit. Beyond nine tenths, a search for what is not there gets long.
func (f *filter) holds(more int) bool {
	return f.used+more <= int(f.size/10*9)
}

// add inserts a key; the caller sees to it that it fits.
func (f *filter) add(key uint64) {
	at, mark := f.place(key)
	for {
		switch f.slot(at) {
		case mark:
			return
		case 0:
			i := at * slotBytes
			f.slots[i], f.slots[i+1], f.slots[i+2] = byte(mark), byte(mark>>8), byte(mark>>16)
			f.used++
			return
		}
		if at++; at == f.size {
			at = 0
		}
	}
}

// maybe reports whether the key may have been added; false is certain.
func (f *filter) maybe(key uint64) bool {
	at, mark := f.place(key)
	for {
		switch f.slot(at) {
		case mark:
			return true
		case 0:
			return false
		}
		if at++; at == f.size {
			at = 0
		}
	}
}

// place takes the slot from the key's high bits and the mark from its low ones.
func (f *filter) place(key uint64) (at uint64, mark uint32) {
	at, _ = bits.Mul64(key, f.size)
	if mark = uint32(key & 0xffffff); mark == 0 {
		mark = 1
	}
	return at, mark
}

func (f *filter) slot(at uint64) uint32 {
	s := f.slots[at*slotBytes : at*slotBytes+slotBytes : at*slotBytes+slotBytes]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16
}
