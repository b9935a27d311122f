package main

import (
	"fmt"

	"claude-analytics/internal/config"
	"claude-analytics/internal/redact"
)

// redactionStatus is how the secrets of what a service reads are dealt with.
type redactionStatus struct {
	On bool `json:"on"`
	// Version tells sets of rules apart; each row says by which it was redacted, 0: not at all.
	Version uint32 `json:"version"`
	Rules   int    `json:"rules"`
	// File holds rules in addition to the built-in ones.
	File string `json:"file,omitempty"`
}

// String is the status in one line.
func (r redactionStatus) String() string {
	if !r.On {
		return "OFF: secrets are published as they are read (REDACT=off)"
	}
	text := fmt.Sprintf("%d rules, version %d", r.Rules, r.Version)
	if r.File != "" {
		text += ", with those of " + r.File
	}
	return text
}

// loadRules reads the rules of redaction; nil if it is off. What is wrong with them is a fault of the settings.
func loadRules(cfg config.Loaded) (*redact.Rules, error) {
	if !cfg.Redact {
		return nil, nil
	}
	rules, err := redact.Load(cfg.RedactRules)
	if err != nil {
		return nil, usagef("REDACT_RULES=%s: %w", cfg.RedactRules, err)
	}
	return rules, nil
}

// redaction says how the service deals with secrets; nil if it reads nothing.
func (s *service) redaction() *redactionStatus {
	if !s.roles.ingest {
		return nil
	}
	status := &redactionStatus{On: s.rules != nil}
	if s.rules != nil {
		status.Version, status.Rules, status.File = s.rules.Version(), s.rules.Len(), s.cfg.RedactRules
	}
	return status
}

// checkRedaction looks whether secrets are replaced, and whether the rules can be read.
func checkRedaction(cfg config.Loaded) finding {
	f := finding{Check: "redaction"}
	rules, err := loadRules(cfg)
	switch {
	case err != nil:
		f.Detail, f.Remedy = err.Error(), "correct the file, or leave REDACT_RULES empty for the built-in rules alone"
	case rules == nil:
		f = warn("redaction", redactionStatus{}.String(), "set REDACT=on, and read everything again to replace what is there")
	default:
		f.OK, f.Detail = true, redactionStatus{On: true, Version: rules.Version(), Rules: rules.Len(), File: cfg.RedactRules}.String()
	}
	return f
}
