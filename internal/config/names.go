package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sort"
	"strings"
)

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
				if len(known) >= 6 && distance(name, known) <= 2 {
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

// unknownFlags refuses what was named on the command line and is no setting. Of the environment that cannot be said: much in it is
// others'.
func unknownFlags(flags map[string]string) (faults []error) {
	known := settingNames()
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		if known[name] {
			continue
		}
		nearest, at := "", 4
		for _, other := range slices.Sorted(maps.Keys(known)) {
			if d := distance(strings.ToUpper(name), other); d < at {
				nearest, at = other, d
			}
		}
		hint := "`claude-analytics config` lists all"
		if nearest != "" {
			hint = "did you mean " + nearest + "?"
		}
		faults = append(faults, fmt.Errorf("%w: there is no setting %s; %s", ErrInvalid, name, hint))
	}
	return faults
}

// distance is how many single-letter edits lie between two names (Levenshtein).
func distance(a, b string) int {
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
	return row[len(b)]
}
