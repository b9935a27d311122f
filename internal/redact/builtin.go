package redact

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/zricethezav/gitleaks/v8/config"
)

//go:embed rules.toml
var ownRules string

// strictEnd is how gitleaks ends most of its patterns: what follows a secret in a file of settings or code.
const strictEnd = `(?:[\x60'"\s;]|\\[nr]|$)`

// looseEnd is what follows one in prose, in URLs and in escaped text too.
const looseEnd = `(?:[\x60'"\s;,.:!?()\[\]{}<>&|#*@+%\\]|$)`

// general are the rules that know a secret by what stands beside it. They keep the strict end: in code, a name that is
// assigned would look like a secret too often.
var general = map[string]bool{"generic-api-key": true, "assigned-password": true, "field-credential": true}

// ofFiles are gitleaks' rules that mean something in files of one name only, which a conversation does not tell: any
// password of eight letters, in Terraform's files. assigned-password looks at how random it is.
var ofFiles = map[string]bool{"hashicorp-tf-password": true}

// groupless are patterns whose groups are there for their structure: the secret is all of the match.
var groupless = map[string]bool{"jwt-base64": true, "microsoft-teams-webhook": true}

// builtIn are gitleaks' rules and our own.
func builtIn() (*definitions, error) {
	out := &definitions{place: func(int) string { return "built-in" }, general: general}
	for _, source := range []string{config.DefaultConfig, ownRules} {
		var file fileRules
		if err := toml.Unmarshal([]byte(source), &file); err != nil {
			return nil, err
		}
		if file.Allowlist != nil {
			file.Allowlists = append(file.Allowlists, *file.Allowlist)
		}
		for i := range file.Allowlists {
			l, err := file.Allowlists[i].definition(true)
			if err != nil {
				return nil, fmt.Errorf("allowlist: %w", err)
			}
			if l != nil {
				out.allow = append(out.allow, *l)
			}
		}
		for i := range file.Rules {
			if file.Rules[i].Regex == "" || ofFiles[file.Rules[i].ID] {
				continue
			}
			d, err := file.Rules[i].definition(true)
			if err != nil {
				return nil, fmt.Errorf("rule %s: %w", file.Rules[i].ID, err)
			}
			if !general[d.id] {
				d.regex = strings.ReplaceAll(d.regex, strictEnd, looseEnd)
			}
			if groupless[d.id] {
				d.regex = "(" + d.regex + ")"
			}
			out.rules = append(out.rules, *d)
		}
	}
	return out, nil
}
