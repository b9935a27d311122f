// Package project reads a dbt project: its files, its configuration, its Jinja and its graph. It touches no database
// and reports everything that is wrong with a project at once, each fault with file and line.
package project

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"sort"
	"strings"
)

// Project is a dbt project that was read and found without fault.
type Project struct {
	Name    string
	Vars    map[string]any
	Nodes   []*Node // models and seeds, upstream before downstream, else by name
	Sources []*Source
	Tests   []*Test
	Rules   []Rule // by name

	byName map[string]*Node
}

// Load reads the project whose root is the root of fsys. overrides replace variables that dbt_project.yml declares.
// The error is a Faults when the project itself is wrong.
func Load(fsys fs.FS, overrides map[string]any) (*Project, error) {
	var faults Faults
	s := readSettings(fsys, &faults)
	if len(faults) > 0 {
		return nil, faults.err() // the paths are not known
	}
	for name, v := range overrides {
		if _, declared := s.vars[name]; declared {
			s.vars[name] = v
		}
	}
	l := loader{fsys: fsys, settings: s, faults: &faults, project: &Project{Name: s.name, Vars: s.vars, byName: map[string]*Node{}}}
	l.readFiles()
	l.describe()
	l.configure()
	l.bindTests()
	l.bindRules()
	l.link()
	l.project.order(&faults)
	if len(faults) == 0 {
		l.project.assignScopes(&faults)
	}
	if len(faults) == 0 {
		l.project.hash(&faults)
	}
	if err := faults.err(); err != nil {
		return nil, err
	}
	return l.project, nil
}

// Node finds a model or seed by name; nil if there is none.
func (p *Project) Node(name string) *Node { return p.byName[name] }

type loader struct {
	fsys     fs.FS
	settings settings
	faults   *Faults
	project  *Project
	yaml     properties
	singular []*Node // files of tests/
}

// readFiles finds models, seeds, singular tests and the YAML beside them.
func (l *loader) readFiles() {
	s := l.settings
	l.walk(s.modelPaths, func(root, file string) {
		switch path.Ext(file) {
		case ".sql":
			l.addNode(&Node{Materialized: View}, root, file, s.models)
		case ".yml", ".yaml":
			l.yaml.read(l.fsys, file, l.faults)
		}
	})
	l.walk(s.seedPaths, func(root, file string) {
		switch path.Ext(file) {
		case ".csv":
			l.addNode(&Node{Materialized: Seed}, root, file, s.seeds)
		case ".yml", ".yaml":
			l.yaml.read(l.fsys, file, l.faults)
		}
	})
	l.walk(s.testPaths, func(root, file string) {
		if path.Ext(file) == ".sql" {
			n := &Node{Name: strings.TrimSuffix(path.Base(file), ".sql"), File: file, Materialized: View}
			n.source = l.readText(file)
			l.singular = append(l.singular, n)
		}
	})
	l.walk(s.macroPaths, func(root, file string) {
		if path.Ext(file) != ".sql" {
			return
		}
		text := l.readText(file)
		for _, m := range macroName.FindAllStringSubmatchIndex(text, -1) {
			if name := text[m[2]:m[3]]; name != "generate_schema_name" {
				l.faults.add(file, lineAt(text, m[0]), "macro %s: no macro but generate_schema_name is supported", name)
			}
		}
	})
	s.models.unused("model", l.faults)
	s.seeds.unused("seed", l.faults)
}

var macroName = regexp.MustCompile(`\{%-?\s*macro\s+(\w+)`)

func (l *loader) walk(roots []string, visit func(root, file string)) {
	seen := map[string]bool{}
	for _, root := range roots {
		err := fs.WalkDir(l.fsys, root, func(file string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && strings.HasPrefix(d.Name(), ".") && file != root {
				return fs.SkipDir
			}
			if !d.IsDir() && !seen[file] {
				seen[file] = true
				visit(root, file)
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			l.faults.add(root, 0, "%v", errorText(err))
		}
	}
}

func (l *loader) readText(file string) string {
	text, err := fs.ReadFile(l.fsys, file)
	if err != nil {
		l.faults.add(file, 0, "%v", errorText(err))
	}
	return string(text)
}

func (l *loader) addNode(n *Node, root, file string, folders *folderConfig) {
	fromRoot := segments(file)
	below := segments(strings.TrimPrefix(strings.TrimPrefix(file, root), "/"))
	n.File = file
	n.Name = fromRoot[len(fromRoot)-1]
	n.FQN = append([]string{l.settings.name}, fromRoot...)
	n.source = l.readText(file)
	n.inline = folders.collect(below, fromRoot)
	if other, ok := l.project.byName[n.Name]; ok {
		l.faults.add(file, 0, "%s has the same name as %s", n.Name, other.File)
		return
	}
	if n.Materialized == Seed {
		l.readSeed(n)
	}
	l.project.byName[n.Name] = n
	l.project.Nodes = append(l.project.Nodes, n)
}

func (l *loader) readSeed(n *Node) {
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(n.source, "\ufeff")))
	rows, err := r.ReadAll()
	var bad *csv.ParseError
	switch {
	case errors.As(err, &bad):
		l.faults.add(n.File, bad.Line, "%v", bad.Err)
	case err != nil:
		l.faults.add(n.File, 0, "%v", err)
	case len(rows) == 0:
		l.faults.add(n.File, 1, "seed without a header")
	}
	n.rows = rows
}

// describe gives every node its _schema.yml entry.
func (l *loader) describe() {
	sources := map[string]*Source{}
	for _, s := range l.yaml.sources {
		if other, ok := sources[s.Key()]; ok {
			l.faults.add(s.File, s.Line, "source %s is already declared in %s:%d", s.Key(), other.File, other.Line)
			continue
		}
		sources[s.Key()] = s
		l.project.Sources = append(l.project.Sources, s)
	}
	sort.Slice(l.project.Sources, func(i, j int) bool { return l.project.Sources[i].Key() < l.project.Sources[j].Key() })
	for _, props := range l.yaml.nodes {
		n := l.project.byName[props.name]
		switch {
		case n == nil || (n.Materialized == Seed) != props.seed:
			l.faults.add(props.file, props.line, "%s has no file", props.name)
			continue
		case n.yaml != nil:
			l.faults.add(props.file, props.line, "%s is already described in %s:%d", props.name, n.yaml.file, n.yaml.line)
			continue
		}
		n.yaml, n.Description, n.Columns = props, props.description, props.columns
		n.inline.merge(props.config)
		for _, t := range props.tests {
			t.Node = n
			l.project.Tests = append(l.project.Tests, t)
		}
	}
	for _, n := range l.project.Nodes {
		if n.yaml == nil && n.Materialized != Seed {
			l.faults.add(n.File, 0, "%s has no entry in a _schema.yml", n.Name)
		}
	}
	l.project.Tests = append(l.project.Tests, l.yaml.tests...)
}

// configure runs each template once: that finds config(...), the references and every fault of the Jinja.
func (l *loader) configure() {
	nodes := l.project.Nodes[:0]
	for _, n := range l.project.Nodes {
		if n.Materialized != Seed {
			l.discover(n)
		}
		if !n.inline.enabled() {
			delete(l.project.byName, n.Name)
			continue
		}
		n.inline.apply(n, l.faults)
		if n.Schema == "" {
			l.faults.add(n.File, 0, "%s has no schema: set +schema for its folder in %s", n.Name, settingsFile)
		}
		nodes = append(nodes, n)
	}
	l.project.Nodes = nodes
	for _, n := range l.singular {
		l.discover(n)
	}
}

func (l *loader) discover(n *Node) {
	tmpl, err := parseTemplate(n.source, l.settings.vars)
	if err == nil {
		n.tmpl = tmpl
		_, err = tmpl.render(functions{
			ref: func(name string) (string, error) {
				n.refs = mention(n.refs, name, lineOfCall(n.source, "ref", name))
				return name, nil
			},
			source: func(name, table string) (string, error) {
				n.sources = mention(n.sources, name+"."+table, lineOfCall(n.source, "source", table))
				return table, nil
			},
			config: func(key string, value any) {
				if n.inline == nil {
					n.inline = config{}
				}
				n.inline.merge(config{key: {value: value, file: n.File, line: lineOfCall(n.source, "config", "")}})
			},
			this: n.Name,
		})
	}
	var bad *templateError
	switch {
	case errors.As(err, &bad):
		l.faults.add(n.File, bad.line, "%s", bad.message)
	case err != nil:
		l.faults.add(n.File, 0, "%v", err)
	}
}

func mention(all []refMention, name string, line int) []refMention {
	for _, m := range all {
		if m.name == name {
			return all
		}
	}
	return append(all, refMention{name: name, line: line})
}

// lineOfCall finds where a function is called with a last argument; 0 if the call is put together by Jinja.
func lineOfCall(text, function, argument string) int {
	pattern := `\b` + function + `\s*\(`
	if argument != "" {
		pattern += `[^)]*['"]` + regexp.QuoteMeta(argument) + `['"]\s*\)`
	}
	at := regexp.MustCompile(pattern).FindStringIndex(text)
	if at == nil {
		return 0
	}
	return lineAt(text, at[0])
}

func lineAt(text string, offset int) int { return 1 + strings.Count(text[:offset], "\n") }

// Compile renders a model; names says which tables it is to read.
func (n *Node) Compile(names Names) (Compiled, error) {
	c, err := n.tmpl.render(functions{
		ref: func(name string) (string, error) {
			for _, up := range n.Refs {
				if up.Name == name {
					if names.Ref != nil {
						return names.Ref(up), nil
					}
					return up.Relation(), nil
				}
			}
			return "", fmt.Errorf("unknown ref %q", name)
		},
		source: func(name, table string) (string, error) {
			for _, s := range n.Sources {
				if s.Key() == name+"."+table {
					if names.Source != nil {
						return names.Source(s), nil
					}
					return s.Relation(), nil
				}
			}
			return "", fmt.Errorf("unknown source %q", name+"."+table)
		},
		config: func(string, any) {},
		this:   n.Relation(),
		schema: n.Schema,
	})
	if err != nil {
		var bad *templateError
		if errors.As(err, &bad) {
			return c, Fault{File: n.File, Line: bad.line, Message: bad.message}
		}
		return c, Fault{File: n.File, Message: err.Error()}
	}
	return c, nil
}
