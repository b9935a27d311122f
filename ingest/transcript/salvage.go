package transcript

import "bytes"

// salvageEffort bounds how many bytes a search may scan, as a multiple of the line's length.
const salvageEffort = 16

// salvage finds where whole objects begin that run to the end of a faulty line: what a process wrote behind a line that
// a crash had cut. Every one of them must look like a transcript's record, so that a piece of the cut line's own content
// is not taken for one. It returns -1 if there are none.
func salvage(line []byte, s *scanner) int {
	effort := salvageEffort * len(line)
	for i := 0; effort > 0; i++ {
		n := bytes.IndexByte(line[i:], '{')
		if n < 0 {
			break
		}
		i += n
		ok, scanned := records(line[i:], s)
		if ok {
			return i
		}
		effort -= scanned + 1
	}
	return -1
}

// records reports whether b is nothing but whole records. scanned is how far it had to look.
func records(b []byte, s *scanner) (ok bool, scanned int) {
	for at := 0; ; {
		rest := bytes.TrimLeft(b[at:], blanks)
		at = len(b) - len(rest)
		if len(rest) == 0 {
			return true, at
		}
		if rest[0] != '{' {
			return false, at
		}
		s.reset()
		n, v := s.feed(rest)
		if v != scanDone || !isRecord(rest[:n], s) {
			return false, at + n
		}
		at += n
	}
}

// isRecord reports whether a whole object has a type and one of the fields by which records are known.
func isRecord(object []byte, s *scanner) bool {
	typed, known := false, false
	for rest := object[1:]; ; {
		rest = bytes.TrimLeft(rest, " \t\r,")
		if rest[0] == '}' {
			return typed && known
		}
		key, behind := cutValue(rest, s)
		behind = bytes.TrimLeft(behind, " \t\r:")
		value, behind := cutValue(behind, s)
		switch string(key) {
		case `"type"`:
			typed = typed || value[0] == '"'
		case `"uuid"`, `"sessionId"`, `"timestamp"`, `"messageId"`, `"leafUuid"`, `"summary"`:
			known = true
		}
		rest = behind
	}
}

// cutValue cuts the first value off text that is known to be JSON.
func cutValue(b []byte, s *scanner) (value, rest []byte) {
	s.reset()
	n, _ := s.feed(b)
	return b[:n], b[n:]
}
