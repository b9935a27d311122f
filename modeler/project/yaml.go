package project

import (
	"errors"
	"io/fs"
	"regexp"
	"strconv"

	"gopkg.in/yaml.v3"
)

// pair is an entry of a mapping with the line of its key.
type pair struct {
	key   string
	line  int
	value *yaml.Node
}

// readYAML gives the file's top mapping, or nil with a fault.
func readYAML(fsys fs.FS, file string, faults *Faults) *yaml.Node {
	text, err := fs.ReadFile(fsys, file)
	if err != nil {
		faults.add(file, 0, "%v", errorText(err))
		return nil
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		message := err.Error()
		line := 0
		if m := yamlLine.FindStringSubmatch(message); m != nil {
			line, _ = strconv.Atoi(m[1])
		}
		faults.add(file, line, "not YAML: %s", message)
		return nil
	}
	if len(doc.Content) == 0 {
		return nil
	}
	if doc.Content[0].Kind != yaml.MappingNode {
		faults.add(file, doc.Content[0].Line, "not a mapping")
		return nil
	}
	return doc.Content[0]
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

func errorText(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// pairs lists a mapping's entries; anything else but null is a fault.
func pairs(file, what string, n *yaml.Node, faults *Faults) []pair {
	n = resolve(n)
	if n == nil || n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		faults.add(file, n.Line, "%s is not a mapping", what)
		return nil
	}
	out := make([]pair, 0, len(n.Content)/2)
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if seen[key.Value] {
			faults.add(file, key.Line, "%s has %q twice", what, key.Value)
		}
		seen[key.Value] = true
		out = append(out, pair{key: key.Value, line: key.Line, value: resolve(n.Content[i+1])})
	}
	return out
}

// items lists a sequence's entries; anything else but null is a fault.
func items(file, what string, n *yaml.Node, faults *Faults) []*yaml.Node {
	n = resolve(n)
	if n == nil || n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		faults.add(file, n.Line, "%s is not a list", what)
		return nil
	}
	out := make([]*yaml.Node, len(n.Content))
	for i := range n.Content {
		out[i] = resolve(n.Content[i])
	}
	return out
}

func resolve(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// scalar is a text; a fault if it is none.
func scalar(file, what string, n *yaml.Node, faults *Faults) string {
	if n == nil || n.Kind != yaml.ScalarNode {
		faults.add(file, lineOf(n), "%s is not a text", what)
		return ""
	}
	if n.Tag == "!!null" {
		return ""
	}
	return n.Value
}

// plain turns a YAML value into Go's maps, slices and scalars.
func plain(file string, n *yaml.Node, faults *Faults) any {
	var v any
	if err := n.Decode(&v); err != nil {
		faults.add(file, n.Line, "%v", err)
	}
	return v
}

func lineOf(n *yaml.Node) int {
	if n == nil {
		return 0
	}
	return n.Line
}
