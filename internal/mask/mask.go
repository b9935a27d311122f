// Package mask hides the secrets in addresses, wherever one is shown: settings, status, logs, errors.
package mask

import (
	"regexp"
	"strings"
)

// Text stands where a secret was.
const Text = "********"

var (
	// next is where the next address of a list begins. A comma alone is none: passwords hold commas, and a MongoDB address
	// lists its servers with them.
	next = regexp.MustCompile(`,\s*[A-Za-z][A-Za-z0-9+.-]*://`)
	// option begins the options of an address.
	option = regexp.MustCompile(`^[A-Za-z]+=`)
)

// URLs hides the password of each address in a comma-separated list, a token that stands alone in its place, and the options
// that hold secrets. Where it is not clear what is what, too much is hidden.
func URLs(list string) string {
	return each(list, func(user, password string) string {
		if password == "" {
			return Text
		}
		return user + ":" + Text
	}, func(name string) string { return name + "=" + Text })
}

// Without is the list with neither users nor the options that hold secrets: what is wrong with it can be told.
func Without(list string) string {
	return each(list, func(string, string) string { return "" }, func(string) string { return "" })
}

// each rewrites the user and the secret options of every address.
func each(list string, user func(name, password string) string, secret func(name string) string) string {
	var out strings.Builder
	for from := 0; from < len(list); {
		to := len(list)
		if at := next.FindStringIndex(list[from+1:]); at != nil {
			to = from + 1 + at[0]
		}
		out.WriteString(one(list[from:to], user, secret))
		from = to
	}
	return out.String()
}

func one(address string, user func(name, password string) string, secret func(name string) string) string {
	scheme, rest := "", address
	if at := strings.Index(address, "://"); at >= 0 {
		scheme, rest = address[:at+3], address[at+3:]
	}
	head, query := rest, ""
	if at := strings.LastIndexByte(rest, '?'); at >= 0 && option.MatchString(rest[at+1:]) {
		head, query = rest[:at], rest[at+1:]
	}
	if !strings.Contains(head, "@") && strings.Contains(query, "@") && strings.Contains(head, ":") && strings.IndexByte(head, '/') < 0 {
		head, query = rest, "" // the question mark is the password's
	}
	if at := strings.LastIndexByte(head, '@'); at >= 0 {
		name, password, _ := strings.Cut(head[:at], ":")
		if shown := user(name, password); shown != "" {
			head = shown + head[at:]
		} else {
			head = head[at+1:]
		}
	}
	if query == "" {
		return scheme + head
	}
	var options []string
	for _, o := range strings.FieldsFunc(query, func(r rune) bool { return r == '&' || r == ';' }) {
		if name, _, _ := strings.Cut(o, "="); isSecret(name) {
			o = secret(name)
		}
		if o != "" {
			options = append(options, o)
		}
	}
	return scheme + head + "?" + strings.Join(options, "&")
}

func isSecret(option string) bool {
	option = strings.ToLower(option)
	for _, part := range []string{"password", "token", "secret", "authmechanismproperties"} {
		if strings.Contains(option, part) {
			return true
		}
	}
	return false
}
