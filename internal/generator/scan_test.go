package generator

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// found is what a slow, separate reader sees in one file: it shares no code with the generator.
type found struct {
	path    string
	objects []map[string]any
	broken  []Place
	half    *Place
}

const blank = " \t\r\x00"

// decode reads one JSON value from the start of text; n is its length, 0 if there is none.
func decode(text []byte) (value any, n int) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&value); err != nil {
		return nil, 0
	}
	return value, int(dec.InputOffset())
}

// skip passes what may stand between values.
func skip(text []byte) int {
	n := 0
	for {
		rest := text[n:]
		switch trimmed := bytes.TrimLeft(rest, blank); {
		case len(trimmed) < len(rest):
			n += len(rest) - len(trimmed)
		case bytes.HasPrefix(rest, []byte("\xef\xbb\xbf")):
			n += 3
		default:
			return n
		}
	}
}

// records reads text as nothing but whole records; nil if it is not.
func records(text []byte) (objects []map[string]any) {
	for {
		text = text[skip(text):]
		if len(text) == 0 {
			return objects
		}
		value, n := decode(text)
		object, ok := value.(map[string]any)
		if !ok || object["type"] == nil {
			return nil
		}
		known := false
		for _, key := range []string{"uuid", "sessionId", "timestamp", "messageId", "leafUuid", "summary"} {
			known = known || object[key] != nil
		}
		if !known {
			return nil
		}
		objects, text = append(objects, object), text[n:]
	}
}

func (f *found) line(text []byte, offset int, whole bool) {
	at := 0
	for {
		at += skip(text[at:])
		rest := text[at:]
		if len(rest) == 0 {
			return
		}
		value, n := decode(rest)
		if object, ok := value.(map[string]any); ok {
			f.objects = append(f.objects, object)
			at += n
			continue
		}
		if n > 0 && (n == len(rest) || strings.ContainsRune(blank+"{", rune(rest[n]))) {
			f.broken = append(f.broken, Place{Offset: int64(offset + at), Size: int64(n)})
			at += n
			continue
		}
		size := len(rest)
		for i := range rest {
			if rest[i] != '{' {
				continue
			}
			if behind := records(rest[i:]); behind != nil {
				f.objects, size = append(f.objects, behind...), i
				break
			}
		}
		place := Place{Offset: int64(offset + at), Size: int64(len(bytes.TrimRight(rest[:size], blank)))}
		if whole {
			f.broken = append(f.broken, place)
		} else {
			f.half = &place
		}
		return
	}
}

// scan reads every transcript below dir.
func scan(t testing.TB, dir string) (files []*found) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".jsonl") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		f := &found{path: rel}
		for at := 0; at < len(text); {
			end := bytes.IndexByte(text[at:], '\n')
			if end < 0 {
				f.line(text[at:], at, false)
				break
			}
			f.line(text[at:at+end], at, true)
			at += end + 1
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
