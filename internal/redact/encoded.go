package redact

// Text in base64 (both alphabets) or hexadecimal is looked for in runs of their letters. Nearly all such runs are
// something else, paths and names and hashes and pictures; that shows in a few bytes, which do not decode to text.

const (
	shortestRun = 24 // letters
	// quadStep is how far apart a long run is probed, in groups of four letters; a stretch of text covers a probe.
	quadStep = 4
	// shortestText is what a stretch must decode to, bytes.
	shortestText = 15
)

// sextet is 64 and more for what is no letter of base64.
var sextet = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xFF
	}
	for i := range 26 {
		t['A'+i], t['a'+i] = byte(i), byte(26+i)
	}
	for i := range 10 {
		t['0'+i] = byte(52 + i)
	}
	t['+'], t['/'], t['-'], t['_'] = 62, 63, 62, 63
	return t
}()

func isText(c byte) bool { return c >= 0x20 && c < 0x7F || c == '\n' || c == '\r' || c == '\t' }

// eachRun calls fn for each run of at least shortestRun letters.
func eachRun(text []byte, fn func(from, to int)) {
	end := 0 // what is before it has been seen
	for i := shortestRun - 1; i < len(text); {
		if sextet[text[i]] >= 64 {
			i += shortestRun
			continue
		}
		from, to := i, i+1
		for from > end && sextet[text[from-1]] < 64 {
			from--
		}
		for to < len(text) && sextet[text[to]] < 64 {
			to++
		}
		if to-from >= shortestRun {
			fn(from, to)
		}
		end = to
		i = to + shortestRun
	}
}

// decoded calls fn with each stretch of text that a run decodes to, whatever stands before it in the run, until fn
// returns false. The stretch is fn's to keep only until it returns.
func decoded(run []byte, buf []byte, fn func(text []byte) bool) []byte {
	for shift := range 4 {
		letters := run[min(shift, len(run)):]
		quads := len(letters) / 4
		for q := quadStep - 1; q < quads; q += quadStep {
			if !textQuad(letters[4*q:]) {
				continue
			}
			from, to := q, q+1
			for from > 0 && textQuad(letters[4*from-4:]) {
				from--
			}
			for to < quads && textQuad(letters[4*to:]) {
				to++
			}
			buf = buf[:0]
			for k := from; k < to; k++ {
				a, b, c := quad(letters[4*k:])
				buf = append(buf, a, b, c)
			}
			if to == quads {
				buf = lastLetters(buf, letters[4*quads:])
			}
			if len(buf) >= shortestText && !fn(buf) {
				return buf
			}
			q = to // not text itself; what follows it is probed from there on
		}
	}
	return decodedHex(run, buf, fn)
}

// quad decodes four letters.
func quad(l []byte) (a, b, c byte) {
	_ = l[3]
	w, x, y, z := sextet[l[0]], sextet[l[1]], sextet[l[2]], sextet[l[3]]
	return w<<2 | x>>4, x<<4 | y>>2, y<<6 | z
}

func textQuad(l []byte) bool {
	a, b, c := quad(l)
	return isText(a) && isText(b) && isText(c)
}

// lastLetters decodes the two or three letters that may be left at the end.
func lastLetters(buf, l []byte) []byte {
	if len(l) >= 2 {
		if c := sextet[l[0]]<<2 | sextet[l[1]]>>4; isText(c) {
			buf = append(buf, c)
			if len(l) == 3 {
				if c := sextet[l[1]]<<4 | sextet[l[2]]>>2; isText(c) {
					buf = append(buf, c)
				}
			}
		}
	}
	return buf
}

// decodedHex is decoded for a run of nothing but hex digits.
func decodedHex(run []byte, buf []byte, fn func(text []byte) bool) []byte {
	if len(run) < 2*shortestText {
		return buf
	}
	for _, c := range run {
		if hexValue[c] > 15 {
			return buf
		}
	}
	for shift := range 2 {
		buf = buf[:0]
		for i := shift; i+1 < len(run); i += 2 {
			c, _ := hexPair(run[i], run[i+1])
			if isText(c) {
				buf = append(buf, c)
				continue
			}
			if len(buf) >= shortestText && !fn(buf) {
				return buf
			}
			buf = buf[:0]
		}
		if len(buf) >= shortestText && !fn(buf) {
			return buf
		}
	}
	return buf
}
