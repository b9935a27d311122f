package generator

import (
	"path"
	"strings"
	"sync"
	"unicode/utf8"
)

// project is a working directory with files, branches and habits that its sessions share.
type project struct {
	name     string
	cwd      string // as the CLI records it
	slug     string // the folder below projects/
	base     string // separator-free root of the same place, for worktrees
	lex      *lexicon
	main     *language
	branches []string
	files    []*sourceFile
	weight   float64
	home     string
}

// sourceFile is a file of a project; its first version is the same for every session.
type sourceFile struct {
	path string // absolute
	lang *language
	seed *rng
	size int

	once sync.Once
	text string
}

// fileSize is the length in bytes of a project's files.
var fileSize = curve{{0, 120}, {0.25, 1800}, {0.5, 5000}, {0.75, 13000}, {0.9, 28000}, {0.99, 62000}, {1, 110000}}

var homes = []string{"/Users/~u", "/home/~u", "/home/~u/work", "/Users/~u/dev", "/home/~u/projects", "/workspace", "/srv/build/~u"}

func newProject(seed uint64, index int) *project {
	r := derive(seed, "project", uint64(index))
	lex := newLexicon(r, 90)
	p := &project{lex: lex, weight: 1 / float64(index+2)}
	p.home = string(lex.expand(nil, r, pick(r, homes)))
	p.name = string(lex.expand(nil, r, pick(r, []string{"~n-~n", "~n", "~v-~n", "my_~n.app", "~n-~n-~n"})))
	p.cwd = p.home + "/" + p.name
	p.base = p.cwd
	switch {
	case r.chance(0.12):
		p.cwd = p.base + "/.worktrees/" + string(lex.expand(nil, r, "~v-~n"))
	case r.chance(0.06):
		p.cwd = p.base + "/.claude/worktrees/" + string(lex.expand(nil, r, "~a-~n"))
	case r.chance(0.05):
		p.cwd = `C:\Users\` + pick(r, firstNames) + `\source\` + p.name
		p.base = p.cwd
	}
	p.slug = slugOf(p.cwd)

	p.branches = []string{pick(r, []string{"main", "main", "main", "master", "develop"})}
	for range r.between(2, 6) {
		p.branches = append(p.branches, string(lex.expand(nil, r, pick(r, []string{"feature/~n-~n", "fix/~v-~n", "~u/~n-~D", "PROJ-~D-~v-~n"}))))
	}
	if r.chance(0.08) {
		p.branches = []string{pick(r, []string{"", "HEAD"})} // no repository, or a detached one
	}

	ext := pick(r, []string{"go", "ts", "ts", "py", "py", "rs"})
	p.main = languages[ext]
	exts := []string{ext, ext, ext, ext, ext, ext, "md", "json", "yaml", "sql"}
	for i := range r.between(25, 70) {
		lang := languages[pick(r, exts)]
		rel := string(lex.expand(nil, r, pick(r, []string{"src/~n/~n", "src/~n", "internal/~n/~n", "lib/~n/~n_~n", "tests/~n", "~n"}))) + lang.ext
		if i == 0 {
			rel, lang = "README.md", languages["md"]
		}
		lex.paths = append(lex.paths, rel)
		p.files = append(p.files, &sourceFile{path: p.join(rel), lang: lang, seed: r.fork(), size: int(fileSize.draw(r))})
	}
	return p
}

func (p *project) join(rel string) string {
	if strings.HasPrefix(p.cwd, `C:\`) {
		return p.cwd + `\` + strings.ReplaceAll(rel, "/", `\`)
	}
	return path.Join(p.cwd, rel)
}

// content returns the file's first version.
func (f *sourceFile) content(lex *lexicon) string {
	f.once.Do(func() {
		seed := *f.seed
		f.text = string(lex.source(nil, &seed, f.lang, f.size))
	})
	return f.text
}

// slugOf returns the CLI's folder name for a working directory: everything that is no letter or digit becomes '-', and
// what is longer than 200 is cut and gets a hash.
func slugOf(cwd string) string {
	b := make([]byte, 0, len(cwd))
	for _, c := range cwd {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
			b = utf8.AppendRune(b, c)
		default:
			b = append(b, '-')
		}
	}
	if len(b) <= 200 {
		return string(b)
	}
	h := uint64(5381)
	for i := 0; i < len(cwd); i++ {
		h = h*33 ^ uint64(cwd[i])
	}
	const digits = "0123456789abcdefghijklmnopqrstuvwxyz"
	b = append(b[:200], '-')
	for range 6 {
		b = append(b, digits[h%36])
		h /= 36
	}
	return string(b)
}
