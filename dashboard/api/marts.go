package api

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"claude-analytics/internal/warehouse"
)

// rowsAnswer is a table's or a query's rows.
type rowsAnswer struct {
	Table   string             `json:"table,omitempty"`
	AsOf    warehouse.Version  `json:"as_of"`
	Columns []warehouse.Column `json:"columns"`
	Rows    [][]any            `json:"rows"`
	// Truncated says that there is more; Next is where, if it is a page of a table.
	Truncated bool   `json:"truncated"`
	Next      string `json:"next,omitempty"`
}

// mart answers /api/v1/marts/<table>.
func (a *API) mart(w http.ResponseWriter, r *http.Request, values url.Values) error {
	data, err := a.warehouse()
	if err != nil {
		return err
	}
	format, err := formatOf(r, values.Get("format"))
	if err != nil {
		return err
	}
	release, err := a.turn(r.Context())
	if err != nil {
		return err
	}
	defer release()
	table, err := a.find(r.Context(), data, r.PathValue("table"))
	if err != nil {
		return err
	}
	most := maxLimit
	if format == CSV || format == Arrow {
		most = maxLimitBulk
	}
	wanted, err := selectionOf(table, values, most)
	if err != nil {
		return err
	}
	read := func(want func(warehouse.Version) bool, body *bytes.Buffer) (*warehouse.Result, bool, warehouse.Version, error) {
		limits := warehouse.Limits{Rows: wanted.limit, Timeout: readTimeout, Bytes: maxBytes}
		if format == Arrow {
			truncated, version, err := data.DB.SelectArrow(r.Context(), wanted.statement(table), wanted.args, limits, want, arrowOf(body))
			return nil, truncated, version, err
		}
		result, version, err := data.DB.Select(r.Context(), wanted.statement(table), wanted.args, limits, want)
		return result, result != nil && result.Truncated, version, err
	}
	return a.rows(w, r, format, true, read, func(answer *rowsAnswer) {
		answer.Table = table.Name
		if answer.Truncated {
			answer.Next = nextPage(r.URL, wanted.offset+len(answer.Rows))
		}
	})
}

func nextPage(here *url.URL, offset int) string {
	values := here.Query()
	values.Set("offset", strconv.Itoa(offset))
	return here.Path + "?" + values.Encode()
}

// reader runs a statement in its form: rows, or Arrow into body. want is told first of what the answer would be.
type reader func(want func(warehouse.Version) bool, body *bytes.Buffer) (result *warehouse.Result, truncated bool, version warehouse.Version, err error)

// rows answers with rows in the format asked for, or with 304 if the client has them. tagged says that they change with
// a refresh only.
func (a *API) rows(w http.ResponseWriter, r *http.Request, format Format, tagged bool, read reader, complete func(*rowsAnswer)) error {
	var tag string
	known := false
	var body bytes.Buffer
	result, truncated, version, err := read(func(version warehouse.Version) bool {
		if tagged {
			tag = a.tag(version, string(format))
			known = knows(r, tag)
		}
		return !known
	}, &body)
	switch {
	case err != nil:
		return err
	case known:
		notModified(w, tag)
		return nil
	}
	out := answer{contentType: contentTypes[format], etag: tag, header: map[string]string{
		"X-Truncated": strconv.FormatBool(truncated), "X-Refresh": strconv.FormatInt(version.Refresh, 10),
	}}
	if !version.RefreshedAt.IsZero() {
		out.header["X-Refreshed-At"] = version.RefreshedAt.Format(time.RFC3339Nano)
	}
	if r.Method != http.MethodGet {
		out.etag = ""
	}
	switch format {
	case CSV:
		out.body, err = csvOf(result)
	case Objects:
		out.body, err = objectsOf(result)
	case Arrow:
		out.body = body.Bytes()
	default:
		page := rowsAnswer{AsOf: version, Columns: result.Columns, Rows: result.Rows, Truncated: truncated}
		complete(&page)
		out.body, err = encode(page)
	}
	if err != nil {
		return err
	}
	send(w, r, http.StatusOK, out)
	return nil
}

// published asks the copy what a person wrote; its version is known beforehand.
func published(ctx context.Context, copied *warehouse.Copy, sql string, limits warehouse.Limits, format Format) reader {
	return func(want func(warehouse.Version) bool, body *bytes.Buffer) (*warehouse.Result, bool, warehouse.Version, error) {
		version, ok := copied.Version()
		if !ok {
			return nil, false, version, warehouse.ErrNotPublished
		}
		if !want(version) {
			return nil, false, version, nil
		}
		if format == Arrow {
			truncated, version, err := copied.AskArrow(ctx, sql, limits, arrowOf(body))
			want(version) // the copy may have been replaced in between
			return nil, truncated, version, err
		}
		result, version, err := copied.Ask(ctx, sql, limits)
		want(version)
		return result, result != nil && result.Truncated, version, err
	}
}
