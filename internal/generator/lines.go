package generator

import "strings"

// countLines counts lines; a last one without a line feed counts.
func countLines(text string) int {
	n := strings.Count(text, "\n")
	if text != "" && text[len(text)-1] != '\n' {
		n++
	}
	return n
}

// lineRange returns n lines of a text from line first (1 is the first).
func lineRange(text string, first, n int) string {
	for ; first > 1; first-- {
		i := strings.IndexByte(text, '\n')
		if i < 0 {
			return ""
		}
		text = text[i+1:]
	}
	end := 0
	for ; n > 0 && end < len(text); n-- {
		i := strings.IndexByte(text[end:], '\n')
		if i < 0 {
			return text
		}
		end += i + 1
	}
	return text[:end]
}

// numbered appends a text the way the Read tool shows it.
func numbered(b []byte, text string, first int) []byte {
	text = strings.TrimSuffix(text, "\n")
	for {
		i := strings.IndexByte(text, '\n')
		for width := 100000; width > first; width /= 10 {
			b = append(b, ' ')
		}
		b = appendInt(b, first)
		b = append(b, "→"...)
		if i < 0 {
			return append(b, text...)
		}
		b = append(append(b, text[:i]...), '\n')
		text = text[i+1:]
		first++
	}
}

// lastLines returns the last n lines of a text that ends with a line feed.
func lastLines(text string, n int) string {
	pos := len(text)
	for ; n > 0 && pos > 0; n-- {
		pos = strings.LastIndexByte(text[:pos-1], '\n') + 1
	}
	return text[pos:]
}

// tail returns at most the last n bytes of a text, from a character's start.
func tail(s string, n int) string {
	if len(s) <= n {
		return s
	}
	s = s[len(s)-n:]
	for len(s) > 0 && s[0]&0xC0 == 0x80 {
		s = s[1:]
	}
	return s
}

const base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// base64 returns n characters of what could be a PNG.
func (r *rng) base64(n int) string {
	b := make([]byte, 0, n+16)
	b = append(b, "iVBORw0KGgoAAAANSUhEUgAA"...)
	for len(b) < n {
		v := r.next()
		for range 10 {
			b = append(b, base64Digits[v&63])
			v >>= 6
		}
	}
	return string(b[:max(24, n&^3)])
}
