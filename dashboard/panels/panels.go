// Package panels holds the queries of the dashboard's page: one file of SQL a panel, with a head that says what it shows
// and which models it is made of.
package panels

import (
	"embed"
	"fmt"
	"regexp"
	"sort"
	"strings"
)

//go:embed *.sql
var files embed.FS

// Panel is one query of the page.
type Panel struct {
	Name string
	// Page it belongs to: overview, tools, cost, sessions, session, pipeline.
	Page string
	// Title and About are for people; About says what is counted and what not.
	Title, About string
	// Models it reads, schema and name: marts.fct_messages.
	Models []string
	// Needs are columns without which there is no answer, as marts.fct_api_requests.cost_usd.
	Needs []string
	// Parameters that the query has, without the dollar sign, sorted.
	Parameters []string
	// SQL without the head.
	SQL string
}

// Zone is a parameter that nobody asks with: the report time zone.
const Zone = "zone"

// OfRefresh is whether the panel's rows change with a refresh of the models only: it reads nothing but the gold layer,
// and not the clock.
func (p Panel) OfRefresh() bool {
	if strings.Contains(p.SQL, "now()") {
		return false
	}
	for _, model := range p.Models {
		if !strings.HasPrefix(model, "marts.") {
			return false
		}
	}
	return true
}

// Set is all panels, by name.
type Set map[string]Panel

var (
	headLine  = regexp.MustCompile(`^-- (\w+): (.*)$`)
	parameter = regexp.MustCompile(`\$([a-z_]+)`)
	comment   = regexp.MustCompile(`(?m)--.*$`)
)

// Known are the parameters that a panel may have; the API reads no others, and gives the zone itself.
var Known = map[string]bool{
	"from": true, "to": true, "projects": true, "models": true, "tools": true, "session": true, "search": true, "limit": true, "offset": true,
	"agent": true, "only": true, "order": true, "key": true, Zone: true,
}

// All reads the panels. They are part of the program: one that cannot be read is a fault of the build, which a test finds.
func All() Set {
	set := Set{}
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err)
	}
	for _, entry := range entries {
		text, err := files.ReadFile(entry.Name())
		if err != nil {
			panic(err)
		}
		panel, err := parse(strings.TrimSuffix(entry.Name(), ".sql"), string(text))
		if err != nil {
			panic(err)
		}
		set[panel.Name] = panel
	}
	return set
}

// Sorted are the panels by page, then by name.
func (s Set) Sorted() []Panel {
	out := make([]Panel, 0, len(s))
	for _, panel := range s {
		out = append(out, panel)
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].Page != out[j].Page {
			return out[i].Page < out[j].Page
		}
		return out[i].Name < out[j].Name
	})
	return out
}

func parse(name, text string) (Panel, error) {
	p := Panel{Name: name}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	at := 0
	for ; at < len(lines) && strings.HasPrefix(lines[at], "--"); at++ {
		found := headLine.FindStringSubmatch(lines[at])
		if found == nil {
			return p, fmt.Errorf("panel %s, line %d: not of the form -- key: value", name, at+1)
		}
		switch found[1] {
		case "page":
			p.Page = found[2]
		case "title":
			p.Title = found[2]
		case "about":
			p.About = strings.TrimSpace(p.About + " " + found[2])
		case "models":
			p.Models = strings.Fields(strings.ReplaceAll(found[2], ",", " "))
		case "needs":
			p.Needs = strings.Fields(strings.ReplaceAll(found[2], ",", " "))
		default:
			return p, fmt.Errorf("panel %s, line %d: unknown key %s", name, at+1, found[1])
		}
	}
	p.SQL = strings.TrimSpace(strings.Join(lines[at:], "\n"))
	seen := map[string]bool{}
	for _, found := range parameter.FindAllStringSubmatch(comment.ReplaceAllString(p.SQL, ""), -1) {
		if !Known[found[1]] {
			return p, fmt.Errorf("panel %s: unknown parameter $%s", name, found[1])
		}
		if !seen[found[1]] {
			seen[found[1]] = true
			p.Parameters = append(p.Parameters, found[1])
		}
	}
	sort.Strings(p.Parameters)
	if p.Page == "" || p.Title == "" || p.About == "" || len(p.Models) == 0 || p.SQL == "" {
		return p, fmt.Errorf("panel %s: page, title, about, models and a query are needed", name)
	}
	return p, nil
}
