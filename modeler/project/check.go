package project

import (
	"fmt"
	"strings"
)

// IsGeneric is whether the test is one of dbt's four, which look at one column.
func (t *Test) IsGeneric() bool {
	_, ok := genericArgs[t.Kind]
	return ok
}

// Parent is what the column of a relationships test refers to; nil for other tests.
func (t *Test) Parent() *Node { return t.to }

// Refs are the models that a singular test reads.
func (t *Test) Refs() []*Node {
	if t.singular == nil {
		return nil
	}
	return t.singular.Refs
}

// Sources are the sources that a singular test reads.
func (t *Test) Sources() []*Source {
	if t.singular == nil {
		return nil
	}
	return t.singular.Sources
}

// Relation is what a generic test reads.
func (t *Test) Relation() string {
	if t.Source != nil {
		return t.Source.Relation()
	}
	return t.Node.Relation()
}

// values are the accepted values as SQL.
func (t *Test) values() string {
	var values []string
	for _, v := range list(t.Args["values"]) {
		values = append(values, Literal(fmt.Sprint(v)))
	}
	return strings.Join(values, ", ")
}

// SQL is the query whose rows are the failures. Contracts and freshness have none.
func (t *Test) SQL() (string, error) {
	column, relation := Quote(t.Column), ""
	if t.IsGeneric() {
		relation = t.Relation()
		if t.Where != "" {
			relation = fmt.Sprintf("(SELECT * FROM %s WHERE %s)", relation, t.Where)
		}
	}
	switch t.Kind {
	case "not_null":
		return fmt.Sprintf("SELECT * FROM %s WHERE %s IS NULL", relation, column), nil
	case "unique":
		return fmt.Sprintf("SELECT %[2]s, count(*) AS n FROM %[1]s WHERE %[2]s IS NOT NULL GROUP BY 1 HAVING count(*) > 1", relation, column), nil
	case "accepted_values":
		return fmt.Sprintf("SELECT %[2]s, count(*) AS n FROM %[1]s WHERE %[2]s IS NOT NULL AND %[2]s::VARCHAR NOT IN (%[3]s) GROUP BY 1",
			relation, column, t.values()), nil
	case "relationships":
		return fmt.Sprintf("SELECT c.%[2]s FROM %[1]s c WHERE c.%[2]s IS NOT NULL AND NOT EXISTS (SELECT 1 FROM %[3]s p WHERE p.%[4]s = c.%[2]s)",
			relation, column, t.to.Relation(), Quote(fmt.Sprint(t.Args["field"]))), nil
	case KindContract, KindFreshness:
		return "", nil
	}
	compiled, err := t.singular.Compile(Names{})
	return compiled.SQL, err
}

// CheckSQL counts, in one pass over a relation, the rows that fail each of some generic tests of it; of values that must
// be unique those that are too many. It gives one row, a column a test. parents says where the values are looked up that
// a column must refer to.
func CheckSQL(tests []*Test, relation string, parents func(*Node) string) string {
	var counts, marks []string
	for i, t := range tests {
		column, filter := Quote(t.Column), ""
		if t.Where != "" {
			mark := fmt.Sprintf("__where%d", i)
			marks = append(marks, fmt.Sprintf("(%s) IS TRUE AS %s", t.Where, mark))
			filter = " AND " + mark
		}
		count := func(condition string) string { return fmt.Sprintf("count(*) FILTER (WHERE %s%s)", condition, filter) }
		switch t.Kind {
		case "not_null":
			counts = append(counts, count(column+" IS NULL"))
		case "unique":
			counts = append(counts, fmt.Sprintf("count(%[1]s) FILTER (WHERE true%[2]s) - count(DISTINCT %[1]s) FILTER (WHERE true%[2]s)", column, filter))
		case "accepted_values":
			counts = append(counts, count(fmt.Sprintf("%[1]s IS NOT NULL AND %[1]s::VARCHAR NOT IN (%[2]s)", column, t.values())))
		case "relationships":
			field, mark := Quote(fmt.Sprint(t.Args["field"])), fmt.Sprintf("__known%d", i)
			marks = append(marks, fmt.Sprintf("%[1]s IN (SELECT %[2]s FROM %[3]s WHERE %[2]s IS NOT NULL) AS %[4]s", column, field, parents(t.to), mark))
			counts = append(counts, count(fmt.Sprintf("%s IS NOT NULL AND NOT %s", column, mark)))
		}
	}
	from := relation
	if len(marks) > 0 {
		from = fmt.Sprintf("(SELECT *, %s FROM %s)", strings.Join(marks, ", "), relation)
	}
	return "SELECT " + strings.Join(counts, ", ") + " FROM " + from
}

// typeNames are other names of DuckDB's types.
var typeNames = map[string]string{
	"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE", "DATETIME": "TIMESTAMP", "TEXT": "VARCHAR", "STRING": "VARCHAR", "CHAR": "VARCHAR",
	"INT": "INTEGER", "INT4": "INTEGER", "INT8": "BIGINT", "LONG": "BIGINT", "BOOL": "BOOLEAN", "FLOAT8": "DOUBLE", "NUMERIC": "DECIMAL",
}

// SameType is whether two names stand for one type of DuckDB.
func SameType(a, b string) bool { return canonicalType(a) == canonicalType(b) }

func canonicalType(name string) string {
	name = strings.ToUpper(strings.TrimSpace(name))
	base, rest, parameters := strings.Cut(name, "(")
	base = strings.Join(strings.Fields(base), " ")
	if other, ok := typeNames[base]; ok {
		base = other
	}
	if parameters {
		return base + "(" + strings.ReplaceAll(rest, " ", "")
	}
	return base
}
