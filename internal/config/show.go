package config

import (
	"fmt"
	"reflect"
	"sort"
	"strings"

	"claude-analytics/internal/mask"
)

// Entry is one setting as `claude-analytics config` shows it; secrets are masked.
type Entry struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Origin Origin `json:"origin"`
	Help   string `json:"help"`
}

// Entries lists the effective settings in the order of Config.
func (l Loaded) Entries() []Entry {
	v := reflect.ValueOf(l.Config)
	entries := make([]Entry, 0, v.NumField())
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		value := show(v.Field(i).Interface())
		switch {
		case value == "":
		case tag.Get("secret") == "all":
			value = mask.Text
		case tag.Get("secret") == "userinfo":
			value = mask.URLs(value)
		}
		name := tag.Get("env")
		entries = append(entries, Entry{Name: name, Value: value, Origin: l.Origins[name], Help: tag.Get("help")})
	}
	return entries
}

func show(value any) string {
	switch v := value.(type) {
	case []string:
		return strings.Join(v, ",")
	case bool:
		if v {
			return "on"
		}
		return "off"
	default:
		return fmt.Sprint(v)
	}
}

// notOurs are names that look like a setting of ours but belong to others.
var notOurs = map[string]bool{"MONGODB_URI": true}

// nearMisses warns of variables that differ from a setting's name by one or two letters: most likely a typing error.
func nearMisses(sources ...map[string]string) []string {
	names := settingNames()
	var warnings []string
	for _, source := range sources {
		for name := range source {
			if names[name] || notOurs[name] || len(name) < 6 {
				continue
			}
			for known := range names {
				if len(known) >= 6 && distanceAtMost2(name, known) {
					warnings = append(warnings, fmt.Sprintf("the variable %s is not a setting; did you mean %s?", name, known))
				}
			}
		}
	}
	sort.Strings(warnings)
	return warnings
}

func settingNames() map[string]bool {
	t := reflect.TypeFor[Config]()
	names := make(map[string]bool, t.NumField())
	for i := range t.NumField() {
		names[t.Field(i).Tag.Get("env")] = true
	}
	return names
}

// distanceAtMost2 reports whether two names are within two single-letter edits (Levenshtein).
func distanceAtMost2(a, b string) bool {
	if d := len(a) - len(b); d > 2 || d < -2 {
		return false
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		previous := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			previous, row[j] = row[j], min(row[j]+1, row[j-1]+1, previous+cost)
		}
	}
	return row[len(b)] <= 2
}
