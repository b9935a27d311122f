package modeler

import (
	"regexp"
	"strings"
)

// sqlToken matches comments, strings, quoted names, words and single signs.
var sqlToken = regexp.MustCompile(`(?s)--[^\n]*|/\*.*?\*/|'(?:[^']|\'\')*'|"(?:[^"]|"")*"|\w+|\S`)

type token struct {
	text  string // lower case
	depth int    // open parentheses around it
}

func tokens(sql string) []token {
	var out []token
	depth := 0
	for _, text := range sqlToken.FindAllString(sql, -1) {
		switch {
		case strings.HasPrefix(text, "--"), strings.HasPrefix(text, "/*"), strings.HasPrefix(text, "'"):
			continue
		case text == ")":
			depth--
		}
		out = append(out, token{strings.ToLower(text), depth})
		if text == "(" {
			depth++
		}
	}
	return out
}

// namedColumns adds to read every name that stands in the text, and says whether those are all the columns of the table
// that the text can read: false if a select over the table has a star, or speaks of its rows as a whole.
func namedColumns(sql, relation string, read map[string]bool) bool {
	all := tokens(sql)
	for _, t := range all {
		read[strings.Trim(t.text, `"`)] = true
	}
	table := tokens(relation)
	for i := range all {
		if !begins(all[i:], table) {
			continue
		}
		if !listsColumns(all, i) || readsRows(all, i+len(table)) {
			return false
		}
	}
	return true
}

func begins(all, with []token) bool {
	if len(all) < len(with) {
		return false
	}
	for i := range with {
		if all[i].text != with[i].text {
			return false
		}
	}
	return true
}

// listsColumns walks back from a table's name to the select that reads it, and looks for a star in its list.
func listsColumns(all []token, at int) bool {
	depth, from := all[at].depth, -1
	for i := at - 1; i >= 0 && all[i].depth >= depth; i-- {
		if all[i].depth > depth {
			continue
		}
		switch all[i].text {
		case "natural": // joins by all columns
			return false
		case "from":
			from = i
		case "select":
			return from > i && !hasStar(all[i+1:from])
		}
	}
	return false // no select: "from x" alone takes everything
}

func hasStar(list []token) bool {
	for i, t := range list {
		if t.text == "columns" {
			return true
		}
		if t.text != "*" {
			continue
		}
		counts := i > 1 && list[i-1].text == "(" && list[i-2].text == "count"
		product := i > 0 && (isName(list[i-1].text) && list[i-1].text != "distinct" && list[i-1].text != "all")
		if !counts && !product {
			return true
		}
	}
	return false
}

func isName(text string) bool {
	c := text[0]
	return c == '_' || c == '"' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')
}

// readsRows is whether the alias after a table's name is used without a column: then it stands for the whole row.
func readsRows(all []token, after int) bool {
	if after < len(all) && all[after].text == "as" {
		after++
	}
	if after >= len(all) || !isName(all[after].text) {
		return false
	}
	alias := all[after].text
	switch alias {
	case "where", "join", "left", "right", "full", "inner", "cross", "asof", "semi", "anti", "positional", "natural", "on", "using", "group",
		"order", "having", "qualify", "window", "limit", "union", "intersect", "except", "tablesample", "select", "lateral", "offset":
		return false
	}
	for i, t := range all {
		if t.text != alias || i == after {
			continue
		}
		column := i > 0 && all[i-1].text == "." // of some other table
		qualifier := i+1 < len(all) && all[i+1].text == "."
		declared := i > 0 && (all[i-1].text == "as" || all[i-1].text == "join" || all[i-1].text == "from")
		if !column && !qualifier && !declared {
			return true
		}
	}
	return false
}
