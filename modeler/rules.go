package modeler

import (
	"context"
	"fmt"
	"strings"
	"time"

	"claude-analytics/modeler/project"
)

// RuleChange is a rule whose version the marts now follow, and followed not before.
type RuleChange struct {
	Rule string `json:"rule"`
	From int    `json:"from,omitempty"` // 0: the rule is new
	To   int    `json:"to"`
}

// applyRules writes down the versions of the rules that what was rebuilt now follows. A version is part of a model's hash,
// so a changed one has rebuilt every model that names the rule and all that is computed from it.
func (r *run) applyRules(ctx context.Context, now time.Time) error {
	rebuilt := len(r.rebuild) > 0 || r.ahead != nil
	if !rebuilt || !r.complete() {
		return nil // a rule is applied when all that follows it is built
	}
	applied, err := r.appliedRules(ctx)
	if err != nil {
		return err
	}
	var rows []string
	for _, rule := range r.project.Rules {
		if applied[rule.Name] == rule.Version {
			continue
		}
		r.rules = append(r.rules, RuleChange{rule.Name, applied[rule.Name], rule.Version})
		rows = append(rows, fmt.Sprintf("(%s, %d, TIMESTAMPTZ '%s')", project.Literal(rule.Name), rule.Version, now.UTC().Format("2006-01-02 15:04:05.000000Z")))
	}
	if len(rows) == 0 {
		return nil
	}
	return r.exec(ctx, "write rule versions", "INSERT INTO meta.rule_versions VALUES "+strings.Join(rows, ", "))
}

// appliedRules are the versions that the marts follow so far.
func (r *run) appliedRules(ctx context.Context) (map[string]int, error) {
	rows, err := r.tx.Query(ctx, "SELECT rule, arg_max(version, rowid) FROM meta.rule_versions GROUP BY rule")
	if err != nil {
		return nil, fmt.Errorf("read rule versions: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err says it
	out := map[string]int{}
	for rows.Next() {
		var name string
		var version int
		if err := rows.Scan(&name, &version); err != nil {
			return nil, fmt.Errorf("read rule versions: %w", err)
		}
		out[name] = version
	}
	return out, rows.Err()
}
