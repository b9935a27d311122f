package warehouse

import (
	"encoding/json"
	"math"
	"strings"
)

// shape says how a column of a user query comes out of DuckDB, and what becomes of it.
type shape int

const (
	// plain values have a Go type of their own.
	plain shape = iota
	// number is text of digits.
	number
	// nested values are JSON text.
	nested
	// moment is a date with a time of day.
	moment
	// words is any other text.
	words
)

func shapeOf(typeName string) shape {
	switch typeName {
	case "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
		"FLOAT", "DOUBLE", "VARCHAR", "BLOB":
		return plain
	case "HUGEINT", "UHUGEINT", "BIGNUM":
		return number
	case "JSON":
		return nested
	}
	switch {
	case strings.HasSuffix(typeName, "]"), strings.HasPrefix(typeName, "STRUCT("), strings.HasPrefix(typeName, "MAP("),
		strings.HasPrefix(typeName, "UNION("):
		return nested
	case strings.HasPrefix(typeName, "DECIMAL("):
		return number
	case strings.HasPrefix(typeName, "TIMESTAMP"):
		return moment
	}
	return words
}

// encodable makes a scanned value one that encoding/json writes as Result promises.
func encodable(value any, typeName string) any {
	switch value := value.(type) {
	case float32:
		return float(float64(value), value)
	case float64:
		return float(value, value)
	case string:
		switch shapeOf(typeName) {
		case number:
			return json.Number(value)
		case nested:
			if json.Valid([]byte(value)) {
				return json.RawMessage(value)
			}
		case moment:
			return isoTime(value)
		}
	}
	return value
}

// float keeps the value in its own width, except what JSON has no number for.
func float(value float64, own any) any {
	switch {
	case math.IsNaN(value):
		return "NaN"
	case math.IsInf(value, 1):
		return "Infinity"
	case math.IsInf(value, -1):
		return "-Infinity"
	}
	return own
}

// isoTime turns DuckDB's "2026-01-02 03:04:05.6+00" into ISO 8601. The session's zone is UTC, so that is all there is.
func isoTime(text string) string {
	day, clock, found := strings.Cut(text, " ")
	if !found || !strings.Contains(clock, ":") || strings.Contains(clock, " ") {
		return text // infinity, or a year before Christ
	}
	if zoned, ok := strings.CutSuffix(clock, "+00"); ok {
		clock = zoned + "Z"
	}
	return day + "T" + clock
}

// sizeOf is roughly what a value takes up in an answer.
func sizeOf(value any) int64 {
	switch value := value.(type) {
	case string:
		return int64(len(value))
	case []byte:
		return int64(len(value))
	case json.RawMessage:
		return int64(len(value))
	}
	return 8
}
