package main

// configCmd shows the effective settings.
type configCmd struct {
	JSON bool `help:"For programs."`
}

// Run prints every setting with its value and origin; the description too on a terminal.
func (c *configCmd) Run(e *env) error {
	cfg, err := e.settings(nil)
	if err != nil {
		return err
	}
	entries := cfg.Entries()
	if c.JSON {
		return writeJSON(e.stdout, map[string]any{"settings": entries, "warnings": cfg.Warnings})
	}
	t := table{head: []string{"setting", "value", "from", "meaning"}}
	for _, entry := range entries {
		t.add(entry.Name, entry.Value, string(entry.Origin), entry.Help)
	}
	t.write(e.stdout)
	for _, warning := range cfg.Warnings {
		e.println("warning:", warning)
	}
	return nil
}
