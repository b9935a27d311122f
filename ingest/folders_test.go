package ingest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNameFolders(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		paths []string
		known map[string]string
		want  string
	}{
		{name: "one", paths: []string{"/home/me/.claude/projects"}, want: "projects"},
		{name: "the same twice", paths: []string{"/a/x", "/a/x/"}, want: "x"},
		{name: "two names", paths: []string{"/a/x", "/a/y"}, want: "x y"},
		{name: "clash", paths: []string{"/home/me/projects", "/home/you/projects"}, want: "me-projects you-projects"},
		{name: "clash further up", paths: []string{"/a/x/p", "/b/x/p"}, want: "a-x-p b-x-p"},
		{name: "known keeps its name", paths: []string{"/b/p", "/a/p"}, known: map[string]string{"p": "/a/p"}, want: "b-p p"},
		{name: "known of another path", paths: []string{"/b/p"}, known: map[string]string{"p": "/gone/p"}, want: "b-p"},
		{name: "text that is no name", paths: []string{"/srv/Große Töne"}, want: "gro--e-t--ne"},
		{name: "root", paths: []string{"/"}, want: "default"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var folders []Folder
			for _, path := range tt.paths {
				folders = append(folders, Folder{Path: path})
			}
			var got []string
			for _, folder := range NameFolders(folders, tt.known) {
				got = append(got, folder.Name)
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if got := NameFolders([]Folder{{Path: "/a/p", Name: "mine"}, {Path: "/b/mine"}}, nil); got[0].Name != "mine" || got[1].Name != "b-mine" {
		t.Errorf("a given name is not kept: %v", got)
	}
}

// Whatever the paths are, names differ, and keep to what they were once folders are added.
func TestNamesAreStable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		paths := rapid.SliceOfDistinct(rapid.StringMatching(`(/(a|b|A|é)){1,4}`), filepath.Clean).Draw(t, "paths")
		first := rapid.IntRange(0, len(paths)).Draw(t, "first")
		var folders []Folder
		for _, path := range paths {
			folders = append(folders, Folder{Path: path})
		}
		known := map[string]string{}
		for _, f := range NameFolders(folders[:first], nil) {
			known[f.Name] = f.Path
		}
		names := map[string]string{}
		for _, f := range NameFolders(folders, known) {
			if other, ok := names[f.Name]; ok {
				t.Fatalf("%s and %s are both called %s", other, f.Path, f.Name)
			}
			names[f.Name] = f.Path
		}
		for name, path := range known {
			if names[name] != path {
				t.Fatalf("%s was called %s, now that is %s", path, name, names[name])
			}
		}
	})
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data", "source.json")
	id, err := loadIdentity(path)
	if err != nil {
		t.Fatal(err)
	}
	id.lane("laptop").Folders["projects"] = "/p"
	if err := id.save(); err != nil {
		t.Fatal(err)
	}
	again, err := loadIdentity(path)
	if err != nil {
		t.Fatal(err)
	}
	if again.Writer != id.Writer || again.lane("laptop").Folders["projects"] != "/p" || again.lane("laptop").Begun != nil {
		t.Errorf("got %+v back", again)
	}
	if other, _ := loadIdentity(""); other.Writer == id.Writer || len(other.Writer) != 16 {
		t.Errorf("writer id %q", other.Writer)
	}
	for _, bad := range []string{"", "{", `{"version":99}`} {
		if err := os.WriteFile(path, []byte(bad), 0o640); err != nil {
			t.Fatal(err)
		}
		if _, err := loadIdentity(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: error %v", bad, err)
		}
	}
}
