package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// alertRules is Prometheus' form of a rules file, as far as we use it.
type alertRules struct {
	Groups []struct {
		Name  string `yaml:"name"`
		Rules []struct {
			Alert       string            `yaml:"alert"`
			Expr        string            `yaml:"expr"`
			For         string            `yaml:"for"`
			Labels      map[string]string `yaml:"labels"`
			Annotations map[string]string `yaml:"annotations"`
		} `yaml:"rules"`
	} `yaml:"groups"`
}

var (
	metricName = regexp.MustCompile(`\b(?:analytics|process|go)_[a-z_]+`)
	documented = regexp.MustCompile("(?m)^\\| `((?:analytics)_[a-z_]+)")
	heading    = regexp.MustCompile(`(?m)^### ([A-Z][A-Za-z]+)$`)
)

// TestAlerts: every alert is about metrics that a running service has, and the runbook says what to do about it; every
// metric of ours is in the runbook, and no other.
func TestAlerts(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "deploy", "prometheus", "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	runbook, err := os.ReadFile(filepath.Join("..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	var rules alertRules
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&rules); err != nil {
		t.Fatal(err)
	}
	dir, _ := generate(t, "--sessions", "2", "--seed", "62")
	// A MongoDB that is not there: its metrics are, and say so.
	p := startService(t, t.TempDir(), []string{"MONGO_URI=mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=500"}, "up", "--transcripts", dir)
	has := map[string]bool{}
	eventually(t, "the metrics are there", func() bool {
		_, body := p.get("/metrics")
		for _, line := range strings.Split(body, "\n") {
			if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
				name, _, _ = strings.Cut(name, " ")
				has[name] = true
			}
		}
		return has["analytics_sink_lag_messages"] && has["analytics_sink_batch_rows"] && has["analytics_sink_apply_seconds"] && has["analytics_modeler_model_seconds"] && has["analytics_ingest_mongodb_retrying"]
	})

	described := map[string]bool{}
	for _, match := range heading.FindAllStringSubmatch(string(runbook), -1) {
		described[match[1]] = true
	}
	seen := map[string]bool{}
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			if rule.Alert == "" || seen[rule.Alert] || rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" {
				t.Errorf("rule %+v", rule)
			}
			seen[rule.Alert] = true
			if !described[rule.Alert] {
				t.Errorf("docs/operations.md has no part on alert %s", rule.Alert)
			}
			if strings.Count(rule.Expr, "(") != strings.Count(rule.Expr, ")") {
				t.Errorf("%s: parentheses", rule.Alert)
			}
			for _, name := range metricName.FindAllString(rule.Expr, -1) {
				if !has[name] {
					t.Errorf("%s: there is no metric %s", rule.Alert, name)
				}
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d alerts", len(seen))
	}
	for name := range described {
		if strings.HasPrefix(name, "Analytics") && !seen[name] {
			t.Errorf("docs/operations.md describes %s, which is no alert", name)
		}
	}
	told := map[string]bool{}
	for _, match := range documented.FindAllStringSubmatch(string(runbook), -1) {
		told[match[1]] = true
		if !has[match[1]] {
			t.Errorf("docs/operations.md describes %s, which is no metric", match[1])
		}
	}
	for name := range has {
		if strings.HasPrefix(name, "analytics_") && !told[name] {
			t.Errorf("docs/operations.md does not describe %s", name)
		}
	}
}
