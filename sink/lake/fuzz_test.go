package lake

import (
	"encoding/json"
	"testing"
)

// A manifest entry that is read is the one of its name, and names only files of the lake.
func FuzzEntry(f *testing.F) {
	good, err := json.Marshal(Entry{
		Version: 1, Epoch: 1, First: 2, Last: 3,
		Files: []EntryFile{{Path: "date=2026-11-23/1-000000000002-000000000003.parquet", Rows: 1, Bytes: 2}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("1-000000000002-000000000003", good)
	f.Add("1-000000000002-000000000003", []byte(`{"epoch":1,"first":2,"last":3,"files":[{"path":"date=x/../../y"}]}`))
	f.Add("1-2-3", []byte(`{}`))
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		epoch, first, last, named := parseStem(name)
		if named && stem(epoch, first, last) != name {
			t.Fatalf("%q is read as %s", name, stem(epoch, first, last))
		}
		e, err := parseEntry(name, text)
		if err != nil {
			return
		}
		if e.stem() != name {
			t.Fatalf("entry of %q says %q", name, e.stem())
		}
		for _, file := range e.Files {
			if !filePattern.MatchString(file.Path) {
				t.Fatalf("names %q", file.Path)
			}
		}
	})
}
