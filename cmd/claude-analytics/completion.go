package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// completionCmd prints a script that completes commands and flags.
type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help tells how to use the script.
func (completionCmd) Help() string {
	return "bash: source <(claude-analytics completion bash)\n" +
		"zsh:  source <(claude-analytics completion zsh)\n" +
		"fish: claude-analytics completion fish | source"
}

// Run prints the script, made from the command line's own definition.
func (c *completionCmd) Run(e *env) error {
	words := map[string][]string{"": flagNames(e.parser.Model.Node)}
	var commands []string
	for _, node := range e.parser.Model.Children {
		if node.Hidden {
			continue
		}
		commands = append(commands, node.Name)
		words[node.Name] = append(flagNames(node), words[""]...)
	}
	switch c.Shell {
	case "fish":
		for _, name := range commands {
			e.printf("complete -c claude-analytics -n __fish_use_subcommand -a %s\n", name)
			for _, flag := range words[name] {
				e.printf("complete -c claude-analytics -n '__fish_seen_subcommand_from %s' -l %s\n", name, strings.TrimPrefix(flag, "--"))
			}
		}
		return nil
	case "zsh":
		e.println("autoload -U +X bashcompinit && bashcompinit")
	}
	e.println("_claude_analytics() {\n  local cur=${COMP_WORDS[COMP_CWORD]} words\n  case ${COMP_WORDS[1]} in")
	for _, name := range commands {
		e.printf("    %s) words=%q ;;\n", name, strings.Join(words[name], " "))
	}
	e.printf("    *) words=%q ;;\n  esac\n", strings.Join(append(commands, words[""]...), " "))
	e.println("  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}")
	_, err := fmt.Fprintln(e.stdout, "complete -o default -F _claude_analytics claude-analytics")
	return err
}

func flagNames(node *kong.Node) []string {
	var names []string
	for _, flag := range node.Flags {
		if !flag.Hidden {
			names = append(names, "--"+flag.Name)
		}
	}
	return names
}
