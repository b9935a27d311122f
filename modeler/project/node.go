package project

import (
	"path"
	"strings"
)

// Materialized says what a model becomes in the warehouse.
type Materialized string

// The materializations of dbt that the runner knows.
const (
	View        Materialized = "view"
	Table       Materialized = "table"
	Incremental Materialized = "incremental"
	Seed        Materialized = "seed"
)

// Scope says what a refresh must read to bring a node up to date.
type Scope int

const (
	// Static nodes depend on seeds alone: they change with their text only.
	Static Scope = iota
	// Session nodes are computed over the documents of the changed sessions.
	Session
	// Keyed nodes are computed over the rows of their upstream tables that hold a changed value of RefreshBy.
	Keyed
	// Whole nodes are computed over everything whenever an upstream row changed.
	Whole
	// Query nodes are views over marts: they hold no rows, so there is nothing to refresh.
	Query
)

// String names the scope as the documentation does.
func (s Scope) String() string {
	return [...]string{"static", "session", "keyed", "whole", "query"}[s]
}

// SessionKey is the column by which documents are grouped.
const SessionKey = "session_id"

// Node is a model or a seed.
type Node struct {
	Name string
	File string   // path below the project's root
	FQN  []string // project, folders below the root, name: what selectors match

	Schema       string
	Materialized Materialized
	RefreshBy    string   // of an incremental model: the column whose changed values are replaced
	UniqueKey    []string // of an incremental model: the columns that make a row unique
	Tags         []string
	Meta         map[string]any
	ColumnTypes  map[string]string // of a seed
	Description  string
	Columns      []Column
	Rules        []Rule // of its columns
	Contract     bool   // its columns must have the types that _schema.yml gives them

	Refs    []*Node   // direct upstream models and seeds, in order of first mention
	Sources []*Source // direct sources, in order of first mention
	Scope   Scope
	Hash    string // of the compiled text, the configuration and everything upstream

	source  string       // text of the file
	tmpl    *template    // of a model
	refs    []refMention // as written
	sources []refMention
	inline  config // from config(...)
	yaml    *nodeProperties
	rows    [][]string // of a seed, header first
}

type refMention struct {
	name string // model, or source as "name.table"
	line int
}

// Column is a column as _schema.yml describes it.
type Column struct {
	Name        string
	Type        string // data_type; empty: none given
	Description string
	Meta        map[string]any
	Line        int
}

// Source is a table that the modeler reads and does not make.
type Source struct {
	Name, Table string // source('Name', 'Table')
	Schema      string
	Identifier  string // the table's name in the warehouse
	Description string
	Columns     []Column
	Freshness   Freshness
	File        string
	Line        int
}

// Key is "name.table", unique in a project.
func (s *Source) Key() string { return s.Name + "." + s.Table }

// Relation is the table's quoted name.
func (s *Source) Relation() string { return Quote(s.Schema) + "." + Quote(s.Identifier) }

// Relation is the node's quoted name in the warehouse.
func (n *Node) Relation() string { return Quote(n.Schema) + "." + Quote(n.Name) }

// HasTable is whether the node's rows are stored.
func (n *Node) HasTable() bool { return n.Materialized != View }

// Text is the file as it stands.
func (n *Node) Text() string { return n.source }

// SeedRows are a seed's lines, header first; nil for a model.
func (n *Node) SeedRows() [][]string { return n.rows }

// column is the description of a column, if _schema.yml has one.
func (n *Node) column(name string) (Column, bool) {
	for _, c := range n.Columns {
		if strings.EqualFold(c.Name, name) {
			return c, true
		}
	}
	return Column{}, false
}

// Quote makes an SQL identifier of a name.
func Quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Literal makes an SQL string of a value.
func Literal(value string) string { return "'" + strings.ReplaceAll(value, "'", "''") + "'" }

// segments are a file's folders below the root and its name without ending.
func segments(file string) []string {
	return strings.Split(strings.TrimSuffix(file, path.Ext(file)), "/")
}
