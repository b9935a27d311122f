package project

import (
	"fmt"
	"sort"
	"strings"
)

// Rule is how a heuristic column comes to its values. Its version is in the column's meta (rule_version), and says that
// the values changed their meaning although no text of a model may have changed.
type Rule struct {
	Name    string // the column's, unless its meta names another (rule)
	Version int
}

// bindRules collects the rules that the columns name. A rule has one version wherever it is named.
func (l *loader) bindRules() {
	versions, first := map[string]int{}, map[string]string{}
	for _, n := range l.project.Nodes {
		for _, c := range n.Columns {
			rule, ok, err := c.rule()
			place := n.Name + "." + c.Name
			switch {
			case err != nil:
				l.faults.add(n.yaml.file, n.yaml.line, "%s: %v", place, err)
				continue
			case !ok:
				continue
			}
			if version, known := versions[rule.Name]; known && version != rule.Version {
				l.faults.add(n.yaml.file, n.yaml.line, "rule %s has version %d in %s, and %d in %s", rule.Name, rule.Version, place, version, first[rule.Name])
				continue
			}
			if _, known := versions[rule.Name]; !known {
				versions[rule.Name], first[rule.Name] = rule.Version, place
			}
			n.Rules = append(n.Rules, rule)
		}
	}
	for name, version := range versions {
		l.project.Rules = append(l.project.Rules, Rule{name, version})
	}
	sort.Slice(l.project.Rules, func(i, j int) bool { return l.project.Rules[i].Name < l.project.Rules[j].Name })
}

// rule is the rule of a column, if it has one.
func (c Column) rule() (Rule, bool, error) {
	value, ok := c.Meta["rule_version"]
	if !ok {
		return Rule{}, false, nil
	}
	version, isNumber := value.(int)
	if !isNumber || version < 1 {
		return Rule{}, false, fmt.Errorf("rule_version %v is no whole number above 0", value)
	}
	name := c.Name
	if named, ok := c.Meta["rule"]; ok {
		if name = strings.TrimSpace(fmt.Sprint(named)); name == "" {
			return Rule{}, false, fmt.Errorf("rule %v is not a name", named)
		}
	}
	return Rule{name, version}, true, nil
}
