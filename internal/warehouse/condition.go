package warehouse

import "strings"

// mostListed is how many values a condition compares one by one. Each costs something for each value that a row group holds.
const mostListed = 1000

// HoldsOneOf is the condition that the column holds one of some values, given as DuckDB writes them as text, or, with null, none.
func (c Column) HoldsOneOf(values []string, null bool) string {
	name := Ident(c.Name)
	literals := make([]string, len(values))
	for i, v := range values {
		literals[i] = Literal(v)
		if c.Type != "VARCHAR" {
			literals[i] = "CAST(" + literals[i] + " AS " + c.Type + ")"
		}
	}
	var parts []string
	list := strings.Join(literals, ", ")
	switch n := len(literals); {
	case n == 0:
	case n == 1:
		parts = append(parts, name+" = "+list)
	case n <= mostListed:
		// What is IN a list, DuckDB looks up after it has read all columns that are wanted, of every row. This it evaluates while it
		// scans, and reads the others where it holds.
		parts = append(parts, "list_contains(["+list+"], "+name+")")
	default:
		parts = append(parts, name+" IN ("+list+")")
	}
	if null {
		parts = append(parts, name+" IS NULL")
	}
	if len(parts) == 0 {
		return "false"
	}
	return "(" + strings.Join(parts, " OR ") + ")"
}
