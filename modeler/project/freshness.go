package project

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Freshness says how old the newest row of a source may be. Zero durations: no limit.
type Freshness struct {
	Warn, Error time.Duration
	// LoadedAt is the SQL expression of a row's time.
	LoadedAt string
	// Severity is the worst that a source too old can be: a clock that nobody here sets is worth a warning only.
	Severity string
}

// limited is whether there is anything to check.
func (f Freshness) limited() bool { return f.LoadedAt != "" && (f.Warn > 0 || f.Error > 0) }

// readConfig takes what a source or a table of it says in its config, or, as in older projects, beside it.
func (f *Freshness) readConfig(file string, e pair, faults *Faults) {
	switch e.key {
	case "loaded_at_field":
		f.LoadedAt = scalar(file, e.key, e.value, faults)
	case "freshness":
		f.Warn, f.Error = 0, 0
		for _, limit := range pairs(file, e.key, e.value, faults) {
			switch limit.key {
			case "warn_after":
				f.Warn = readPeriod(file, limit, faults)
			case "error_after":
				f.Error = readPeriod(file, limit, faults)
			default:
				faults.add(file, limit.line, "unknown key %q", limit.key)
			}
		}
	case "meta":
		meta, _ := plain(file, e.value, faults).(map[string]any)
		if severity, ok := meta["freshness_severity"]; ok {
			f.Severity = strings.ToLower(fmt.Sprint(severity))
			if f.Severity != SeverityWarn && f.Severity != SeverityError {
				faults.add(file, e.line, "freshness_severity %v is neither error nor warn", severity)
			}
		}
	}
}

func readPeriod(file string, e pair, faults *Faults) time.Duration {
	units := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}
	var count int
	var unit time.Duration
	for _, p := range pairs(file, e.key, e.value, faults) {
		text := scalar(file, p.key, p.value, faults)
		switch p.key {
		case "count":
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 {
				faults.add(file, p.line, "count %q is no number above 0", text)
			}
			count = n
		case "period":
			if unit = units[text]; unit == 0 {
				faults.add(file, p.line, "period %q is none of minute, hour, day", text)
			}
		default:
			faults.add(file, p.line, "unknown key %q", p.key)
		}
	}
	return time.Duration(count) * unit
}

// readFreshness reads config: of a source or table.
func (f *Freshness) readFreshness(file string, n *yaml.Node, faults *Faults) {
	for _, c := range pairs(file, "config", n, faults) {
		f.readConfig(file, c, faults)
	}
}
