package document

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// tableColumns are the columns of a table of the warehouse's schema that a document fills: "name TYPE" or "name TYPE
// NOT NULL".
func tableColumns(t *testing.T, table string) []string {
	t.Helper()
	sql, err := os.ReadFile("../warehouse/schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	_, body, found := strings.Cut(string(sql), "CREATE TABLE IF NOT EXISTS "+table+" (")
	if !found {
		t.Fatalf("no table %s", table)
	}
	body, _, _ = strings.Cut(body, "\n);")
	body = regexp.MustCompile(`--.*`).ReplaceAllString(body, "")
	compression := regexp.MustCompile(` USING COMPRESSION \w+`)
	var columns []string
	for line := range strings.Lines(body) {
		if line = strings.TrimSuffix(strings.TrimSpace(line), ","); line != "" {
			line = strings.ReplaceAll(compression.ReplaceAllString(line, ""), `"`, "")
			if strings.HasPrefix(line, "_key ") || strings.HasPrefix(line, "_rules ") {
				continue // not of the document
			}
			columns = append(columns, strings.Join(strings.Fields(line), " "))
		}
	}
	return columns
}

// sqlType is the column that a field of a row stands for.
func sqlType(t reflect.Type) string {
	if t.Kind() == reflect.Struct && strings.HasPrefix(t.Name(), "Null[") {
		return strings.TrimSuffix(sqlType(t.Field(0).Type), " NOT NULL")
	}
	switch t {
	case reflect.TypeFor[Timestamp]():
		return "TIMESTAMPTZ NOT NULL"
	case reflect.TypeFor[Date]():
		return "DATE NOT NULL"
	case reflect.TypeFor[Decimal]():
		return "DECIMAL(18,9) NOT NULL"
	case reflect.TypeFor[[]byte]():
		return "BLOB"
	}
	switch t.Kind() {
	case reflect.String:
		return "VARCHAR NOT NULL"
	case reflect.Bool:
		return "BOOLEAN NOT NULL"
	case reflect.Int32:
		return "INTEGER NOT NULL"
	case reflect.Int64:
		return "BIGINT NOT NULL"
	}
	return fmt.Sprintf("no type for %s", t)
}

// Row and Block are the tables of schema.sql, column for column, in order and type.
func TestRowsAreTheTables(t *testing.T) {
	for table, row := range map[string]reflect.Type{
		"raw.conversations": reflect.TypeFor[Row](), "raw.content_blocks": reflect.TypeFor[Block](),
	} {
		want := tableColumns(t, table)
		var got []string
		for i := range row.NumField() {
			if name := row.Field(i).Tag.Get("col"); name != "-" {
				got = append(got, name+" "+sqlType(row.Field(i).Type))
			}
		}
		for i := range max(len(got), len(want)) {
			a, b := append(got, "nothing"), append(want, "nothing")
			if a[min(i, len(got))] != b[min(i, len(want))] {
				t.Fatalf("column %d of %s is %q, of %s %q", i, row, a[min(i, len(got))], table, b[min(i, len(want))])
			}
		}
	}
}
