package project

import (
	"fmt"
	"strings"
)

// config is what dbt calls the configuration of a node: it is collected from dbt_project.yml (by folder), from
// _schema.yml and from config(...) in the file; the nearer one wins, tags add up and meta merges.
type config map[string]configValue

type configValue struct {
	value any
	file  string
	line  int
}

// Keys that dbt knows and that mean nothing to the native runner: a project that sets them for dbt's sake is valid.
var ignoredConfig = map[string]bool{
	"access": true, "docs": true, "full_refresh": true, "group": true, "incremental_strategy": true,
	"on_schema_change": true, "persist_docs": true, "quote_columns": true, "event_time": true,
}

var modelConfig = map[string]bool{
	"contract": true, "enabled": true, "materialized": true, "meta": true, "schema": true, "tags": true, "unique_key": true,
}

var seedConfig = map[string]bool{
	"column_types": true, "enabled": true, "meta": true, "schema": true, "tags": true,
}

func (c config) merge(over config) {
	for key, v := range over {
		old, ok := c[key]
		if !ok {
			c[key] = v
			continue
		}
		switch key {
		case "tags":
			v.value = append(append([]any{}, list(old.value)...), list(v.value)...)
		case "meta", "column_types":
			merged := map[string]any{}
			for _, m := range []any{old.value, v.value} {
				if m, ok := m.(map[string]any); ok {
					for k, item := range m {
						merged[k] = item
					}
				}
			}
			v.value = merged
		}
		c[key] = v
	}
}

// apply sets the node's fields, and names every key and value it does not understand.
func (c config) apply(n *Node, faults *Faults) {
	known := modelConfig
	if n.Materialized == Seed {
		known = seedConfig
	}
	for key, v := range c {
		if !known[key] {
			if !ignoredConfig[key] {
				faults.add(v.file, v.line, "unknown config %q", key)
			}
			continue
		}
		if err := c.set(n, key, v.value); err != nil {
			faults.add(v.file, v.line, "config %s: %v", key, err)
		}
	}
}

func (c config) set(n *Node, key string, value any) error {
	switch key {
	case "materialized":
		text, ok := value.(string)
		switch m := Materialized(text); {
		case ok && (m == View || m == Table || m == Incremental):
			n.Materialized = m
		default:
			return fmt.Errorf("%v is none of view, table, incremental", value)
		}
	case "schema":
		text, ok := value.(string)
		if !ok || text == "" {
			return fmt.Errorf("%v is not a name", value)
		}
		n.Schema = text
	case "tags", "unique_key":
		texts, err := texts(value)
		if err != nil {
			return err
		}
		if key == "tags" {
			n.Tags = texts
		} else {
			n.UniqueKey = texts
		}
	case "meta":
		meta, ok := value.(map[string]any)
		if !ok {
			return fmt.Errorf("%v is not a mapping", value)
		}
		n.Meta = meta
		if by, ok := meta["refresh_by"]; ok {
			text, ok := by.(string)
			if !ok || text == "" {
				return fmt.Errorf("refresh_by %v is not a column's name", by)
			}
			n.RefreshBy = text
		}
	case "column_types":
		types, ok := value.(map[string]any)
		if !ok {
			return fmt.Errorf("%v is not a mapping", value)
		}
		n.ColumnTypes = map[string]string{}
		for column, typ := range types {
			n.ColumnTypes[column] = strings.ToUpper(fmt.Sprint(typ))
		}
	case "contract":
		contract, ok := value.(map[string]any)
		enforced, isFlag := contract["enforced"].(bool)
		if !ok || !isFlag {
			return fmt.Errorf("%v is not {enforced: true or false}", value)
		}
		n.Contract = enforced
	case "enabled":
		if _, ok := value.(bool); !ok {
			return fmt.Errorf("%v is not true or false", value)
		}
	}
	return nil
}

// enabled is false for a node that is switched off.
func (c config) enabled() bool {
	v, ok := c["enabled"].value.(bool)
	return !ok || v
}

func list(value any) []any {
	if values, ok := value.([]any); ok {
		return values
	}
	return []any{value}
}

func texts(value any) ([]string, error) {
	var out []string
	for _, v := range list(value) {
		text, ok := v.(string)
		if !ok || text == "" {
			return nil, fmt.Errorf("%v is not a name or a list of names", value)
		}
		out = append(out, text)
	}
	return out, nil
}
