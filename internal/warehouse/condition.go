package warehouse

import "strings"

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
	switch len(literals) {
	case 0:
	case 1:
		parts = append(parts, name+" = "+literals[0])
	default:
		parts = append(parts, name+" IN ("+strings.Join(literals, ", ")+")")
	}
	if null {
		parts = append(parts, name+" IS NULL")
	}
	if len(parts) == 0 {
		return "false"
	}
	return "(" + strings.Join(parts, " OR ") + ")"
}
