package project

import (
	"io/fs"
	"strings"

	"gopkg.in/yaml.v3"
)

// settingsFile is where a dbt project begins.
const settingsFile = "dbt_project.yml"

// settings is what dbt_project.yml says.
type settings struct {
	name                                         string
	modelPaths, seedPaths, testPaths, macroPaths []string
	vars                                         map[string]any
	models, seeds                                *folderConfig
}

// folderConfig is the configuration of a folder and, below it, of its folders.
type folderConfig struct {
	line     int
	config   config
	children map[string]*folderConfig
	used     bool
}

func readSettings(fsys fs.FS, faults *Faults) settings {
	s := settings{
		modelPaths: []string{"models"}, seedPaths: []string{"seeds"}, testPaths: []string{"tests"}, macroPaths: []string{"macros"},
		vars: map[string]any{},
	}
	entries := pairs(settingsFile, "file", readYAML(fsys, settingsFile, faults), faults)
	for _, e := range entries {
		if e.key == "name" { // the folder configuration below it is found by this name
			s.name = scalar(settingsFile, "name", e.value, faults)
		}
	}
	if s.name == "" {
		faults.add(settingsFile, 0, "project without a name")
	}
	for _, e := range entries {
		s.read(e, faults)
	}
	return s
}

func (s *settings) read(e pair, faults *Faults) {
	switch e.key {
	case "name":
	case "model-paths":
		s.modelPaths = s.paths(e, faults)
	case "seed-paths":
		s.seedPaths = s.paths(e, faults)
	case "test-paths":
		s.testPaths = s.paths(e, faults)
	case "macro-paths":
		s.macroPaths = s.paths(e, faults)
	case "vars":
		for _, v := range pairs(settingsFile, "vars", e.value, faults) {
			if v.key == s.name && v.value.Kind == yaml.MappingNode {
				for _, own := range pairs(settingsFile, "vars", v.value, faults) {
					s.vars[own.key] = plain(settingsFile, own.value, faults)
				}
				continue
			}
			s.vars[v.key] = plain(settingsFile, v.value, faults)
		}
	case "models":
		s.models = s.folders(e, modelConfig, faults)
	case "seeds":
		s.seeds = s.folders(e, seedConfig, faults)
	case "version", "config-version", "profile", "require-dbt-version", "target-path", "clean-targets", "log-path", "flags",
		"analysis-paths", "snapshot-paths", "docs-paths", "asset-paths", "packages-install-path", "tests", "data_tests", "snapshots",
		"sources", "query-comment", "quoting", "dispatch", "restrict-access", "exposures", "unit_tests":
	default: // on-run-start and the like would have to be run
		faults.add(settingsFile, e.line, "unknown or unsupported key %q", e.key)
	}
}

func (s *settings) paths(e pair, faults *Faults) []string {
	var out []string
	for _, item := range items(settingsFile, e.key, e.value, faults) {
		out = append(out, strings.Trim(scalar(settingsFile, e.key, item, faults), "/"))
	}
	return out
}

// folders reads the tree below models: or seeds:; the project's own name is its root.
func (s *settings) folders(e pair, known map[string]bool, faults *Faults) *folderConfig {
	root := readFolder(e, known, faults)
	if own, ok := root.children[s.name]; ok {
		root.used = true
		root.config.merge(own.config)
		delete(root.children, s.name)
		for name, child := range own.children {
			root.children[name] = child
		}
	}
	return root
}

func readFolder(e pair, known map[string]bool, faults *Faults) *folderConfig {
	f := &folderConfig{line: e.line, config: config{}, children: map[string]*folderConfig{}}
	for _, p := range pairs(settingsFile, e.key, e.value, faults) {
		name, plus := strings.CutPrefix(p.key, "+")
		if plus || (p.value.Kind != yaml.MappingNode && (known[name] || ignoredConfig[name])) {
			f.config.merge(config{name: {value: plain(settingsFile, p.value, faults), file: settingsFile, line: p.line}})
			continue
		}
		if p.value.Kind != yaml.MappingNode {
			faults.add(settingsFile, p.line, "unknown config %q", p.key)
			continue
		}
		f.children[p.key] = readFolder(p, known, faults)
	}
	return f
}

// collect merges the configuration of every folder on the way to a node, outermost first. dbt counts folders from the
// path listed in model-paths; this layout lists the layers' own folders there, so a path from the project's root
// counts too.
func (f *folderConfig) collect(below, fromRoot []string) config {
	out := config{}
	if f == nil {
		return out
	}
	out.merge(f.config)
	for _, way := range [][]string{below, fromRoot} {
		at := f
		for _, segment := range way {
			next, ok := at.children[segment]
			if !ok {
				break
			}
			next.used = true
			out.merge(next.config)
			at = next
		}
		if len(below) == len(fromRoot) {
			break
		}
	}
	return out
}

// unused names the folders that no node lies in: a misspelt one would go unnoticed.
func (f *folderConfig) unused(what string, faults *Faults) {
	if f == nil {
		return
	}
	for name, child := range f.children {
		if !child.used {
			faults.add(settingsFile, child.line, "no %s lies in %q", what, name)
			continue
		}
		child.unused(what, faults)
	}
}
