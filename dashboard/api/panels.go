package api

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"claude-analytics/dashboard/panels"
	"claude-analytics/internal/warehouse"
)

const (
	panelRows  = 1000 // of JSON at most, where it is asked for so many; a panel without a limit has maxLimit
	panelLimit = 50   // of one with
	maxListed  = 100  // values of a list
)

// panelAnswer is a panel's rows, and where they come from.
type panelAnswer struct {
	Panel      string             `json:"panel"`
	Page       string             `json:"page"`
	Title      string             `json:"title"`
	About      string             `json:"about"`
	Models     []modelNote        `json:"models"`
	Parameters map[string]any     `json:"parameters"`
	SQL        string             `json:"sql"`
	AsOf       warehouse.Version  `json:"as_of"`
	Seconds    float64            `json:"seconds"`
	Columns    []warehouse.Column `json:"columns"`
	Rows       [][]any            `json:"rows"`
	Truncated  bool               `json:"truncated"`
}

// modelNote is a model that a panel reads, with what its _schema.yml says.
type modelNote struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// panel answers /api/v1/panels/<name>.
func (a *API) panel(w http.ResponseWriter, r *http.Request, values url.Values) error {
	panel, ok := a.panels[r.PathValue("panel")]
	if !ok {
		return NewError(http.StatusNotFound, CodeUnknownPanel, "there is no panel "+short(r.PathValue("panel")), "/api/v1/panels names the panels.")
	}
	format, err := formatOf(r, values.Get("format"))
	if err != nil {
		return err
	}
	asked, err := panelParameters(values, format)
	if err != nil {
		return err
	}
	if slices.Contains(panel.Parameters, "session") && !values.Has("session") {
		return badRequest(panel.Name+" is about one session", "Say which with ?session=…")
	}
	data, err := a.warehouse()
	if err != nil {
		return err
	}
	asked.texts[panels.Zone] = data.Zone
	question := panelQuestion{panel: panel, asked: asked}
	question.statement, question.args, question.used = asked.statement(panel)
	switch {
	case format != JSON:
		return a.panelRows(w, r, data, question, format)
	case panel.OfRefresh():
		return a.panelOfRefresh(w, r, data, question)
	}
	body, _, err := a.panelBody(r.Context(), data, question)
	if err != nil {
		return err
	}
	send(w, r, http.StatusOK, answer{contentType: "application/json", body: body})
	return nil
}

// panelQuestion is a panel with its parameters.
type panelQuestion struct {
	panel     panels.Panel
	asked     panelRequest
	statement string
	args      []any
	used      map[string]any
}

func (q panelQuestion) limits() warehouse.Limits {
	return warehouse.Limits{Rows: q.asked.rows(q.panel), Timeout: readTimeout, Bytes: maxBytes}
}

// panelOfRefresh answers from what was computed since the newest refresh, or computes it.
func (a *API) panelOfRefresh(w http.ResponseWriter, r *http.Request, data *Warehouse, q panelQuestion) error {
	var now warehouse.Version
	if err := data.DB.Read(r.Context(), func(ctx context.Context, tx *warehouse.Tx) (err error) {
		now, err = tx.Version(ctx)
		return err
	}); err != nil {
		return err
	}
	tag := a.tag(now, "panel")
	if knows(r, tag) {
		notModified(w, tag)
		return nil
	}
	used, err := encode(q.used)
	if err != nil {
		return err
	}
	body, tag, err := a.kept.answer(r.Context(), tag, q.panel.Name+"\x00"+string(used), func(ctx context.Context) ([]byte, string, error) {
		body, version, err := a.panelBody(ctx, data, q)
		return body, a.tag(version, "panel"), err
	})
	if err != nil {
		return err
	}
	send(w, r, http.StatusOK, answer{contentType: "application/json", body: body, etag: tag})
	return nil
}

// panelBody computes a panel's answer.
func (a *API) panelBody(ctx context.Context, data *Warehouse, q panelQuestion) ([]byte, warehouse.Version, error) {
	release, err := a.turn(ctx)
	if err != nil {
		return nil, warehouse.Version{}, err
	}
	defer release()
	began := time.Now()
	result, version, err := data.DB.Select(ctx, q.statement, q.args, q.limits(), func(warehouse.Version) bool { return true })
	if err != nil {
		return nil, version, orMissing(ctx, data, q.panel, err)
	}
	body, err := encode(panelAnswer{
		Panel: q.panel.Name, Page: q.panel.Page, Title: q.panel.Title, About: q.panel.About, Models: notes(data, q.panel),
		Parameters: q.used, SQL: q.statement, AsOf: version, Seconds: time.Since(began).Seconds(),
		Columns: result.Columns, Rows: result.Rows, Truncated: result.Truncated,
	})
	return body, version, err
}

// panelRows answers in a form that has nothing but rows.
func (a *API) panelRows(w http.ResponseWriter, r *http.Request, data *Warehouse, q panelQuestion, format Format) error {
	release, err := a.turn(r.Context())
	if err != nil {
		return err
	}
	defer release()
	read := func(want func(warehouse.Version) bool, body *bytes.Buffer) (*warehouse.Result, bool, warehouse.Version, error) {
		if format == Arrow {
			truncated, version, err := data.DB.SelectArrow(r.Context(), q.statement, q.args, q.limits(), want, arrowOf(body))
			return nil, truncated, version, err
		}
		result, version, err := data.DB.Select(r.Context(), q.statement, q.args, q.limits(), want)
		return result, result != nil && result.Truncated, version, err
	}
	return orMissing(r.Context(), data, q.panel, a.rows(w, r, format, q.panel.OfRefresh(), read, nil))
}

// orMissing makes of a panel's error one that names what the warehouse does not have, if that is why. It is asked only then: the
// catalogue takes longer to answer than most panels.
func orMissing(ctx context.Context, data *Warehouse, panel panels.Panel, err error) error {
	if err == nil {
		return nil
	}
	var lacking *Error
	if errors.As(missing(ctx, data, panel), &lacking) {
		return lacking
	}
	return err
}

// missing names the first model or column that a panel needs and the warehouse does not have.
func missing(ctx context.Context, data *Warehouse, panel panels.Panel) error {
	return data.DB.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		needed := slices.Concat(panel.Models, panel.Needs)
		for _, name := range needed {
			parts := strings.Split(name, ".")
			columns, err := tx.Columns(ctx, parts[0], parts[1])
			if err != nil {
				return err
			}
			found := len(columns) > 0
			if len(parts) == 3 {
				found = slices.ContainsFunc(columns, func(c warehouse.Column) bool { return c.Name == parts[2] })
			}
			if !found {
				return NewError(http.StatusNotFound, CodeModelMissing, fmt.Sprintf("the panel %s needs %s, which this warehouse does not have", panel.Name, name),
					"Wait for the first refresh, or run `claude-analytics transform --full-refresh` with a release that has the model.")
			}
		}
		return nil
	})
}

func notes(data *Warehouse, panel panels.Panel) []modelNote {
	out := make([]modelNote, len(panel.Models))
	for i, name := range panel.Models {
		out[i].Name = name
		if model := data.Models.Node(name[strings.IndexByte(name, '.')+1:]); model != nil {
			out[i].Description = model.Description
		}
	}
	return out
}

// panelRequest is what the query string of a panel may say.
type panelRequest struct {
	from, to      time.Time // days; zero: no bound
	lists         map[string][]string
	texts         map[string]string // of textParameters
	limit, offset int
	most          int // rows in the form asked for
}

// listParameters are those that may be given several times, by their names in the query string.
var listParameters = map[string]string{"project": "projects", "model": "models", "tool": "tools"}

// textParameters are bound as they are; those with choices take no other value, and nothing.
var textParameters = map[string][]string{
	"session": nil, "search": nil, "agent": nil, "key": nil,
	"only": {"", "prompts", "errors", "tools"}, "order": orders,
}

// orders are the ways to sort sessions; with a dash before it each is the other way round.
var orders = []string{
	"", "latest", "cost", "tokens", "errors", "duration", "messages", "prompts", "calls", "title", "project", "branch", "model", "work",
	"-latest", "-cost", "-tokens", "-errors", "-duration", "-messages", "-prompts", "-calls", "-title", "-project", "-branch", "-model", "-work",
}

func panelParameters(values url.Values, format Format) (p panelRequest, err error) {
	p.lists, p.texts, p.most = map[string][]string{}, map[string]string{}, panelRows
	if format == CSV || format == Arrow {
		p.most = maxLimitBulk
	}
	if p.from, err = day(values, "from"); err != nil {
		return p, err
	}
	if p.to, err = day(values, "to"); err != nil {
		return p, err
	}
	if !p.from.IsZero() && !p.to.IsZero() && p.to.Before(p.from) {
		return p, badRequest("to is before from", "Give the earlier day as from; both days are included.")
	}
	for name, plural := range listParameters {
		if len(values[name]) > maxListed {
			return p, badRequest(fmt.Sprintf("%d values for %s, at most %d are read", len(values[name]), name, maxListed), "Choose fewer.")
		}
		if values.Has(name) {
			p.lists[plural] = values[name]
		}
	}
	for name, choices := range textParameters {
		p.texts[name] = values.Get(name)
		if choices != nil && !slices.Contains(choices, p.texts[name]) {
			return p, NewError(http.StatusBadRequest, CodeBadValue, fmt.Sprintf("%s is %q", name, short(p.texts[name])), "Leave it out, or give one of: "+strings.Join(choices[1:], ", ")+".")
		}
	}
	if p.limit, err = whole(values, "limit", panelLimit, 1, p.most); err != nil {
		return p, err
	}
	p.offset, err = whole(values, "offset", 0, 0, maxOffset)
	return p, err
}

func day(values url.Values, name string) (time.Time, error) {
	text := values.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.DateOnly, text)
	if err != nil || at.Year() < 1 {
		return at, NewError(http.StatusBadRequest, CodeBadValue, fmt.Sprintf("%s is %q", name, short(text)), "Give a day as 2026-01-31, of the years 1 to 9999.")
	}
	return at, nil
}

func (p panelRequest) rows(panel panels.Panel) int {
	if slices.Contains(panel.Parameters, "limit") {
		return p.limit
	}
	return max(p.most, maxLimit)
}

var dates = regexp.MustCompile(`\$(from|to)\b`)

// statement is the panel's query with the days written out, so that DuckDB skips row groups by them, which it does not
// for bound values. Days were parsed, so that nothing but digits and dashes gets there. All else is bound.
func (p panelRequest) statement(panel panels.Panel) (statement string, args []any, used map[string]any) {
	used = map[string]any{}
	days := map[string]string{"$from": "DATE '0001-01-01'", "$to": "DATE '9999-12-31'"}
	for name, at := range map[string]time.Time{"from": p.from, "to": p.to} {
		if !at.IsZero() {
			days["$"+name] = "DATE '" + at.Format(time.DateOnly) + "'"
			used[name] = at.Format(time.DateOnly)
		}
	}
	statement = dates.ReplaceAllStringFunc(panel.SQL, func(name string) string { return days[name] })
	for _, name := range panel.Parameters {
		var value any
		switch name {
		case "from", "to":
			continue
		case "limit":
			value = p.limit + 1 // one more tells whether there are more
		case "offset":
			value = p.offset
		case "session", "search", "agent", "key", "only", "order", panels.Zone:
			value = p.texts[name]
		default:
			value = []string{} // an empty list is no restriction
			if list, given := p.lists[name]; given {
				value = list
			}
		}
		args = append(args, sql.Named(name, value))
		if name == "limit" {
			value = p.limit
		}
		used[name] = value
	}
	return statement, args, used
}

// panelList answers /api/v1/panels: what there is, and from which models.
func (a *API) panelList(w http.ResponseWriter, r *http.Request, _ url.Values) error {
	type entry struct {
		Name       string   `json:"name"`
		Page       string   `json:"page"`
		Title      string   `json:"title"`
		About      string   `json:"about"`
		Models     []string `json:"models"`
		Parameters []string `json:"parameters"`
		URL        string   `json:"url"`
	}
	var entries []entry
	for _, panel := range a.panels.Sorted() {
		entries = append(entries, entry{panel.Name, panel.Page, panel.Title, panel.About, panel.Models, asAsked(panel.Parameters), "/api/v1/panels/" + panel.Name})
	}
	sendJSON(w, r, http.StatusOK, map[string]any{"panels": entries}, "")
	return nil
}

// asAsked names parameters as the query string does.
func asAsked(names []string) []string {
	out := slices.DeleteFunc(append([]string{}, names...), func(name string) bool { return name == panels.Zone })
	for i, name := range out {
		for singular, plural := range listParameters {
			if name == plural {
				out[i] = singular
			}
		}
	}
	return out
}
