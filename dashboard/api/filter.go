package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"claude-analytics/internal/warehouse"
)

// Bounds of a request: generous for people and pages, small for who tries to make work.
const (
	maxQueryString = 16 << 10
	maxFilters     = 20
	maxValues      = 500 // of one filter
	maxOrder       = 5
	defaultLimit   = 100
	maxLimit       = 10_000  // rows of JSON
	maxLimitBulk   = 100_000 // rows of CSV and Arrow
	maxOffset      = 10_000_000
)

// operators that may follow a column's name, after two underscores. Each is a template for the column and a value.
var operators = map[string]string{
	"eq": "%s = %s", "ne": "%s IS DISTINCT FROM %s", "gt": "%s > %s", "gte": "%s >= %s", "lt": "%s < %s", "lte": "%s <= %s",
	"like": "%s LIKE %s", "in": "", "null": "",
}

// selection is what a request wants of a table.
type selection struct {
	columns []string
	where   []string
	args    []any
	order   []string
	limit   int
	offset  int
}

// reserved parameters of /api/v1/marts/<table>; all others are filters.
var reserved = map[string]bool{"columns": true, "order": true, "limit": true, "offset": true, "format": true}

// parameters reads the query string strictly; allowed are the names that there may be.
func parameters(r *http.Request, allowed []string) (url.Values, error) {
	if len(r.URL.RawQuery) > maxQueryString {
		return nil, NewError(http.StatusRequestURITooLong, CodeTooLarge, fmt.Sprintf("the query string has %d bytes, at most %d are read", len(r.URL.RawQuery), maxQueryString), "Send fewer filters, or SQL with POST /api/v1/query.")
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("the query string cannot be read: "+err.Error(), "Encode values as in ?name=a%20b&other=c.")
	}
	if !utf8.ValidString(r.URL.Path) {
		return nil, badRequest("the path is not UTF-8", "Encode it as in /a%20b.")
	}
	for name, given := range values {
		if !utf8.ValidString(name) || !utf8.ValidString(strings.Join(given, " ")) {
			return nil, badRequest("the query string is not UTF-8", "Encode values as in ?name=%C3%A9.")
		}
		free := slices.Contains(allowed, anyName)
		if !slices.Contains(allowed, name) && !free {
			return nil, badRequest("there is no parameter "+short(name), "/api/v1/openapi.yaml names the parameters.")
		}
		if _, several := listParameters[name]; len(given) > 1 && !several && !free {
			return nil, badRequest(name+" is given twice", "Give it once.")
		}
	}
	return values, nil
}

// anyName in a list of allowed parameters allows all.
const anyName = "*"

// selectionOf reads filters, order and bounds. Only names of the table's own columns get into the statement's text;
// every value is bound.
func selectionOf(table *Table, values url.Values, most int) (*selection, error) {
	s := &selection{limit: defaultLimit}
	var err error
	if s.limit, err = whole(values, "limit", defaultLimit, 1, most); err != nil {
		return nil, err
	}
	if s.offset, err = whole(values, "offset", 0, 0, maxOffset); err != nil {
		return nil, err
	}
	if err := s.project(table, values.Get("columns")); err != nil {
		return nil, err
	}
	if err := s.sort(table, values.Get("order")); err != nil {
		return nil, err
	}
	filters := 0
	for name, given := range values {
		if reserved[name] {
			if len(given) > 1 {
				return nil, badRequest(name+" is given twice", "Give it once.")
			}
			continue
		}
		if filters += len(given); filters > maxFilters {
			return nil, badRequest(fmt.Sprintf("more than %d filters", maxFilters), "Use column__in=a,b for several values of a column, or SQL.")
		}
		if err := s.filter(table, name, given); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func whole(values url.Values, name string, byDefault, least, most int) (int, error) {
	text := values.Get(name)
	if text == "" && !values.Has(name) {
		return byDefault, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, badRequest(fmt.Sprintf("%s is %q", name, short(text)), fmt.Sprintf("Give a whole number from %d to %d.", least, most))
	}
	return n, nil
}

func (t *Table) column(name string) (Column, error) {
	if column, ok := t.columns[name]; ok {
		return column, nil
	}
	return Column{}, NewError(http.StatusBadRequest, CodeUnknownName, fmt.Sprintf("%s has no column %q", t.Name, short(name)), "/api/v1/catalog names the columns of "+t.Name+".")
}

func (s *selection) project(table *Table, list string) error {
	if list == "" {
		for _, column := range table.Columns {
			s.columns = append(s.columns, column.Name)
		}
		return nil
	}
	for _, name := range strings.Split(list, ",") {
		column, err := table.column(strings.TrimSpace(name))
		if err != nil {
			return err
		}
		if slices.Contains(s.columns, column.Name) {
			return badRequest(column.Name+" is named twice", "Name each column once.")
		}
		s.columns = append(s.columns, column.Name)
	}
	return nil
}

// sort orders by what was asked, then by the table's key, so that pages neither overlap nor leave rows out.
func (s *selection) sort(table *Table, list string) error {
	asked := map[string]bool{}
	if list != "" {
		parts := strings.Split(list, ",")
		if len(parts) > maxOrder {
			return badRequest(fmt.Sprintf("more than %d columns to order by", maxOrder), "Name the most important ones.")
		}
		for _, part := range parts {
			name, descending := strings.CutPrefix(strings.TrimSpace(part), "-")
			column, err := table.column(name)
			if err != nil {
				return err
			}
			direction := " ASC NULLS LAST"
			if descending {
				direction = " DESC NULLS LAST"
			}
			asked[column.Name] = true
			s.order = append(s.order, warehouse.Ident(column.Name)+direction)
		}
	}
	if list == "" && len(table.Key) == 0 {
		return nil // a small view without a key: in the order that it gives
	}
	for _, name := range table.Key {
		if !asked[name] {
			s.order = append(s.order, warehouse.Ident(name)+" ASC")
		}
	}
	return nil
}

// filter adds one condition a value; several values of plain equality are alternatives.
func (s *selection) filter(table *Table, name string, given []string) error {
	field, operator := name, "eq"
	if _, isColumn := table.columns[name]; !isColumn {
		if at := strings.LastIndex(name, "__"); at > 0 {
			field, operator = name[:at], name[at+2:]
		}
	}
	column, err := table.column(field)
	if err != nil {
		return err
	}
	template, known := operators[operator]
	if !known {
		return badRequest(fmt.Sprintf("there is no operator %q", short(operator)), "Use __eq, __ne, __gt, __gte, __lt, __lte, __in, __like or __null.")
	}
	if operator != "null" && !isComparable(column.Type) {
		return badRequest(fmt.Sprintf("%s is a %s, which cannot be compared", column.Name, short(column.Type)), "Filter with SQL on /api/v1/query.")
	}
	ident := warehouse.Ident(column.Name)
	switch operator {
	case "null":
		for _, value := range given {
			want, err := strconv.ParseBool(value)
			if err != nil {
				return badRequest(fmt.Sprintf("%s is %q", name, short(value)), "Use true or false.")
			}
			s.where = append(s.where, map[bool]string{true: ident + " IS NULL", false: ident + " IS NOT NULL"}[want])
		}
	case "in":
		for _, value := range given {
			if err := s.oneOf(column, strings.Split(value, ",")); err != nil {
				return err
			}
		}
	case "like":
		if column.Type != "VARCHAR" {
			return badRequest(fmt.Sprintf("%s is a %s; only texts have patterns", column.Name, column.Type), "Use __gte and __lte.")
		}
		for _, value := range given {
			s.where = append(s.where, fmt.Sprintf(template, ident, s.bind(column, value)))
		}
	case "eq":
		return s.oneOf(column, given)
	default:
		for _, value := range given {
			s.where = append(s.where, fmt.Sprintf(template, ident, s.bind(column, value)))
		}
	}
	return nil
}

func (s *selection) oneOf(column Column, values []string) error {
	if len(values) > maxValues {
		return badRequest(fmt.Sprintf("%d values for %s, at most %d are read", len(values), column.Name, maxValues), "Ask for fewer, or use SQL.")
	}
	places := make([]string, len(values))
	for i, value := range values {
		places[i] = s.bind(column, value)
	}
	s.where = append(s.where, warehouse.Ident(column.Name)+" IN ("+strings.Join(places, ", ")+")")
	return nil
}

// bind keeps a value for later and returns its place in the statement, with the column's type.
func (s *selection) bind(column Column, value string) string {
	s.args = append(s.args, value)
	return fmt.Sprintf("CAST($%d AS %s)", len(s.args), column.Type)
}

// isComparable holds for types with a literal of one line. Types are DuckDB's own names: none holds a quote or a name of
// a person's choosing, save nested ones and enumerations, which are left out.
func isComparable(columnType string) bool {
	return !strings.ContainsAny(columnType, `[]"'`) && !strings.HasPrefix(columnType, "STRUCT") && !strings.HasPrefix(columnType, "MAP") &&
		!strings.HasPrefix(columnType, "UNION") && !strings.HasPrefix(columnType, "ENUM") && columnType != "JSON"
}

// statement is the whole as SQL.
func (s *selection) statement(table *Table) string {
	names := make([]string, len(s.columns))
	for i, name := range s.columns {
		names[i] = warehouse.Ident(name)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "SELECT %s FROM %s.%s", strings.Join(names, ", "), gold, warehouse.Ident(table.Name))
	if len(s.where) > 0 {
		b.WriteString(" WHERE " + strings.Join(s.where, " AND "))
	}
	if len(s.order) > 0 {
		b.WriteString(" ORDER BY " + strings.Join(s.order, ", "))
	}
	// One more than asked for tells whether there is a next page.
	fmt.Fprintf(&b, " LIMIT %d OFFSET %d", s.limit+1, s.offset)
	return b.String()
}
