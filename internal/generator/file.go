package generator

// file is a transcript while it is made.
type file struct {
	path    string // below the generated folder, with slashes
	b       []byte
	lines   []line
	objects int64
	broken  []Place
	half    *Place
	newest  int64 // newest time in it, for its modification time
}

// line is one line of a file, without its line feed.
type line struct {
	from, to int
	alone    bool   // nothing may follow it on its line
	uuid     string // empty if it has none, or no sessionId: then it is neither copied nor put behind a cut line
}

// add appends the writer's line, one whole object.
func (f *file) add(w *writer, uuid string) {
	l := line{from: len(f.b), to: len(f.b) + len(w.b), uuid: uuid}
	f.b = append(append(f.b, w.b...), '\n')
	f.lines = append(f.lines, l)
	f.objects++
}

// sidecar is a file that is no transcript: sub-agents' meta.json and stored tool results.
type sidecar struct {
	path string
	data []byte
}
