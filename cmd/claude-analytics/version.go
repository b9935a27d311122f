package main

import (
	"runtime"
	"runtime/debug"
)

// versionCmd prints the version of the program and of the engines linked into it.
type versionCmd struct {
	JSON bool `help:"For programs."`
}

// Run prints the version.
func (c *versionCmd) Run(e *env) error {
	versions := map[string]string{"claude-analytics": version, "go": runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			switch module.Path {
			case "github.com/duckdb/duckdb-go/v2":
				versions["duckdb-go"] = module.Version
			case "github.com/nats-io/nats-server/v2":
				versions["nats-server"] = module.Version
			}
		}
	}
	if c.JSON {
		return writeJSON(e.stdout, versions)
	}
	for _, name := range []string{"claude-analytics", "duckdb-go", "nats-server", "go"} {
		if v, ok := versions[name]; ok {
			e.printf("%-17s %s\n", name, v)
		}
	}
	return nil
}
