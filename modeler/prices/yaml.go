package prices

import (
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"claude-analytics/modeler/project"
)

var yamlLine = regexp.MustCompile(`line (\d+)`)

// readYAML reads a list of mappings with the columns' names as keys.
func readYAML(name string, text []byte, faults *project.Faults) []Row {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		line := 0
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			line, _ = strconv.Atoi(m[1])
		}
		fault(faults, name, line, "not YAML: %v", err)
		return nil
	}
	if len(document.Content) == 0 {
		return nil
	}
	list := document.Content[0]
	if list.Kind != yaml.SequenceNode {
		fault(faults, name, list.Line, "a price list is a list: one entry a price, each beginning with \"- model_id:\"")
		return nil
	}
	var rows []Row
	for _, entry := range list.Content {
		if entry.Kind != yaml.MappingNode {
			fault(faults, name, entry.Line, "an entry is a mapping of columns to values")
			continue
		}
		row := Row{Line: entry.Line, Fields: map[string]string{}}
		for i := 0; i+1 < len(entry.Content); i += 2 {
			key, value := entry.Content[i], entry.Content[i+1]
			switch _, known := columns[key.Value]; {
			case !known:
				fault(faults, name, key.Line, "unknown column %q: the columns are %s", key.Value, strings.Join(order, ", "))
			case value.Kind != yaml.ScalarNode:
				fault(faults, name, value.Line, "%s must be a plain value", key.Value)
			case value.Tag != "!!null":
				if _, twice := row.Fields[key.Value]; twice {
					fault(faults, name, key.Line, "%s stands twice", key.Value)
				}
				row.Fields[key.Value] = strings.TrimSpace(value.Value)
			}
		}
		rows = append(rows, row)
	}
	return rows
}
