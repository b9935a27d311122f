package generator

import (
	"math"
	"math/bits"
	"sort"
)

// rng is a small, fast generator (wyrand's step). Each session, project and file has its own, derived from the seed and
// a label, so what one of them draws never depends on the order in which they are made.
type rng struct{ state uint64 }

const golden = 0x9e3779b97f4a7c15

// derive returns the generator for one labelled part of a seed.
func derive(seed uint64, label string, numbers ...uint64) *rng {
	h := seed ^ golden
	for i := 0; i < len(label); i++ {
		h = mix(h ^ uint64(label[i]))
	}
	for _, n := range numbers {
		h = mix(h ^ n)
	}
	return &rng{state: h}
}

// mix is the finalizer of splitmix64.
func mix(x uint64) uint64 {
	x += golden
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}

func (r *rng) next() uint64 {
	r.state += 0xa0761d6478bd642f
	hi, lo := bits.Mul64(r.state, r.state^0xe7037ed1a0b428db)
	return hi ^ lo
}

// fork returns an independent generator, so that a part may draw as often as it likes without shifting its sibling.
func (r *rng) fork() *rng { return &rng{state: mix(r.next())} }

// intn returns a number in [0, n); n must be positive.
func (r *rng) intn(n int) int {
	hi, _ := bits.Mul64(r.next(), uint64(n))
	return int(hi)
}

// between returns a number in [lo, hi].
func (r *rng) between(lo, hi int) int { return lo + r.intn(hi-lo+1) }

// float returns a number in [0, 1).
func (r *rng) float() float64 { return float64(r.next()>>11) / (1 << 53) }

func (r *rng) chance(p float64) bool { return r.float() < p }

func pick[T any](r *rng, from []T) T { return from[r.intn(len(from))] }

// skewed returns an index in [0, n) with small ones far more frequent, roughly like words in text.
func (r *rng) skewed(n int) int {
	f := r.float()
	return int(f * f * float64(n))
}

// weighted is a list of choices with weights, ready to draw from.
type weighted[T any] struct {
	items []T
	upTo  []float64
}

func (w *weighted[T]) add(item T, weight float64) {
	total := weight
	if n := len(w.upTo); n > 0 {
		total += w.upTo[n-1]
	}
	w.items, w.upTo = append(w.items, item), append(w.upTo, total)
}

func (w *weighted[T]) draw(r *rng) T {
	at := r.float() * w.upTo[len(w.upTo)-1]
	i := sort.SearchFloat64s(w.upTo, at)
	if i >= len(w.items) {
		i = len(w.items) - 1
	}
	return w.items[i]
}

// knot is one measured quantile: a share p of the values is at most v.
type knot struct{ p, v float64 }

// curve is a distribution given by measured quantiles, interpolated geometrically between them (v must be positive).
type curve []knot

func (c curve) at(p float64) float64 {
	if p <= c[0].p {
		return c[0].v
	}
	for i := 1; i < len(c); i++ {
		if p <= c[i].p {
			lo, hi := c[i-1], c[i]
			f := (p - lo.p) / (hi.p - lo.p)
			return lo.v * math.Exp(f*math.Log(hi.v/lo.v))
		}
	}
	return c[len(c)-1].v
}

func (c curve) draw(r *rng) float64 { return c.at(r.float()) }

const hexDigits = "0123456789abcdef"

// uuid returns a version 4 UUID.
func (r *rng) uuid() string {
	var b [36]byte
	hi, lo := r.next(), r.next()
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 2<<62
	at := 0
	put := func(v uint64, digits int) {
		for i := digits - 1; i >= 0; i-- {
			b[at] = hexDigits[v>>(4*i)&15]
			at++
		}
	}
	dash := func() { b[at] = '-'; at++ }
	put(hi>>32, 8)
	dash()
	put(hi>>16&0xffff, 4)
	dash()
	put(hi&0xffff, 4)
	dash()
	put(lo>>48, 4)
	dash()
	put(lo&(1<<48-1), 12)
	return string(b[:])
}

const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// token returns prefix and n characters as the API's ids have them.
func (r *rng) token(prefix string, n int) string {
	b := make([]byte, len(prefix), len(prefix)+n)
	copy(b, prefix)
	for i := 0; i < n; i++ {
		b = append(b, base58[r.intn(len(base58))])
	}
	return string(b)
}

// hex returns n lower-case hexadecimal digits.
func (r *rng) hex(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = hexDigits[r.next()&15]
	}
	return string(b)
}
