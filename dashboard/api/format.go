package api

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"claude-analytics/internal/warehouse"
)

// Format is how rows are written.
type Format string

// The formats.
const (
	JSON    Format = "json"    // columns, and rows as arrays
	Objects Format = "objects" // an array of objects
	CSV     Format = "csv"
	Arrow   Format = "arrow" // an Arrow IPC stream
)

var contentTypes = map[Format]string{
	JSON: "application/json", Objects: "application/json", CSV: "text/csv; charset=utf-8", Arrow: "application/vnd.apache.arrow.stream",
}

// formatOf is what ?format= says, else what Accept prefers among what there is, else JSON.
func formatOf(r *http.Request, asked string) (Format, error) {
	switch format := Format(strings.ToLower(asked)); format {
	case JSON, Objects, CSV, Arrow:
		return format, nil
	case "":
	default:
		return "", badRequest(fmt.Sprintf("there is no format %q", short(asked)), "Use format=json, objects, csv or arrow.")
	}
	best, weight := JSON, 0.0
	for _, one := range strings.Split(r.Header.Get("Accept"), ",") {
		name, parameters, _ := strings.Cut(strings.TrimSpace(one), ";")
		q := 1.0
		if _, value, ok := strings.Cut(parameters, "q="); ok {
			if parsed, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
				q = parsed
			}
		}
		var format Format
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "text/csv":
			format = CSV
		case "application/vnd.apache.arrow.stream":
			format = Arrow
		case "application/json", "*/*", "application/*":
			format = JSON
		default:
			continue
		}
		if q > weight {
			best, weight = format, q
		}
	}
	return best, nil
}

// csvOf writes a head and the rows; NULL is empty.
func csvOf(result *warehouse.Result) ([]byte, error) {
	var body bytes.Buffer
	w := csv.NewWriter(&body)
	line := make([]string, len(result.Columns))
	for i, column := range result.Columns {
		line[i] = column.Name
	}
	if err := w.Write(line); err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	for _, row := range result.Rows {
		for i, value := range row {
			line[i] = cell(value)
		}
		if err := w.Write(line); err != nil {
			return nil, fmt.Errorf("encode the answer: %w", err)
		}
	}
	w.Flush()
	return body.Bytes(), w.Error()
}

func cell(value any) string {
	switch value := value.(type) {
	case nil:
		return ""
	case string:
		return value
	case []byte:
		return base64.StdEncoding.EncodeToString(value)
	case json.RawMessage:
		return string(value)
	case float64:
		return strconv.FormatFloat(value, 'g', -1, 64)
	case float32:
		return strconv.FormatFloat(float64(value), 'g', -1, 32)
	}
	return fmt.Sprint(value)
}

// objectsOf writes an array of objects, keys in the columns' order.
func objectsOf(result *warehouse.Result) ([]byte, error) {
	keys := make([][]byte, len(result.Columns))
	for i, column := range result.Columns {
		key, err := encode(column.Name)
		if err != nil {
			return nil, err
		}
		keys[i] = append(bytes.TrimSpace(key), ':')
	}
	var body bytes.Buffer
	body.WriteByte('[')
	for i, row := range result.Rows {
		if i > 0 {
			body.WriteString(",\n")
		}
		body.WriteByte('{')
		for j, value := range row {
			if j > 0 {
				body.WriteByte(',')
			}
			text, err := encode(value)
			if err != nil {
				return nil, fmt.Errorf("column %s: %w", result.Columns[j].Name, err)
			}
			body.Write(keys[j])
			body.Write(bytes.TrimSpace(text))
		}
		body.WriteByte('}')
	}
	body.WriteString("]\n")
	return body.Bytes(), nil
}

// arrowOf writes an Arrow stream to body.
func arrowOf(body *bytes.Buffer) func(array.RecordReader) error {
	return func(reader array.RecordReader) error {
		writer := ipc.NewWriter(body, ipc.WithSchema(reader.Schema()))
		for reader.Next() {
			if err := writer.Write(reader.RecordBatch()); err != nil {
				return errors.Join(fmt.Errorf("encode the answer: %w", err), writer.Close())
			}
		}
		return writer.Close()
	}
}

// short is a text as it may stand in an error.
func short(text string) string {
	const longest = 80
	if runes := []rune(text); len(runes) > longest {
		return string(runes[:longest]) + "…"
	}
	return text
}
