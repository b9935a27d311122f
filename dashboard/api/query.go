package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"claude-analytics/internal/warehouse"
)

const (
	maxSQL       = 64 << 10
	queryTimeout = 30 * time.Second
	queryRows    = 1000
)

// question is the body of POST /api/v1/query.
type question struct {
	SQL    string `json:"sql"`
	Limit  int    `json:"limit"`
	Format string `json:"format"`
}

// query answers /api/v1/query: SQL that a person wrote, on the published copy.
func (a *API) query(w http.ResponseWriter, r *http.Request, values url.Values) error {
	asked, err := questionOf(w, r, values)
	if err != nil {
		return err
	}
	data, err := a.warehouse()
	if err != nil {
		return err
	}
	format, err := formatOf(r, asked.Format)
	if err != nil {
		return err
	}
	most := maxLimit
	if format == CSV || format == Arrow {
		most = maxLimitBulk
	}
	if asked.Limit < 1 || asked.Limit > most {
		return badRequest(fmt.Sprintf("limit is %d", asked.Limit), fmt.Sprintf("Give a whole number from 1 to %d.", most))
	}
	limits := warehouse.Limits{Rows: asked.Limit, Timeout: queryTimeout, Bytes: maxBytes}
	return a.rows(w, r, format, true, published(r.Context(), data.Copy, asked.SQL, limits, format), func(*rowsAnswer) {})
}

// questionOf reads the SQL from the query string, from a JSON body, or from a body that is SQL.
func questionOf(w http.ResponseWriter, r *http.Request, values url.Values) (asked question, err error) {
	asked = question{SQL: values.Get("sql"), Format: values.Get("format")}
	if asked.Limit, err = whole(values, "limit", queryRows, 1, maxLimitBulk); err != nil {
		return question{}, err
	}
	if r.Method == http.MethodPost {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSQL))
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return question{}, NewError(http.StatusRequestEntityTooLarge, CodeTooLarge, fmt.Sprintf("the body has more than %d bytes", maxSQL), "Send a shorter statement.")
		}
		if err != nil {
			return question{}, badRequest("the body cannot be read: "+err.Error(), "Send it again.")
		}
		kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // one that cannot be read is none of these
		switch kind {
		case "application/json":
			decoder := json.NewDecoder(strings.NewReader(string(body)))
			decoder.DisallowUnknownFields()
			const example = `Send {"sql": "SELECT …", "limit": 1000}.`
			if err := decoder.Decode(&asked); err != nil {
				return question{}, badRequest("the body is not what is expected: "+err.Error(), example)
			}
			if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
				return question{}, badRequest("the body goes on behind its object", example)
			}
		case "application/sql", "text/plain":
			asked.SQL = string(body)
		default:
			return question{}, NewError(http.StatusUnsupportedMediaType, CodeBadRequest, fmt.Sprintf("the body's type is %q", short(kind)), "Set Content-Type to application/json, or to application/sql for a body that is the statement.")
		}
	}
	if !utf8.ValidString(asked.SQL) {
		return question{}, badRequest("the SQL is not UTF-8", "Send it as UTF-8.")
	}
	if strings.TrimSpace(asked.SQL) == "" {
		return question{}, badRequest("there is no SQL", `POST {"sql": "SELECT …"}, or GET ?sql=SELECT…`)
	}
	return asked, nil
}
