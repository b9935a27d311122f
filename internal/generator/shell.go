package generator

// shellCommand is a command line and what it prints when it works or fails. runs says about how often out is repeated.
type shellCommand struct {
	run, describe string
	out, fail     string
	runs          int
	tail          string
	weight        float64
}

var shellCommands = []shellCommand{
	{run: "go test ./~n/...", describe: "Run ~n tests", out: "ok  \tgithub.com/acme/~n/~n\t0.~Ds\n", fail: "--- FAIL: Test~V~N (0.~ds)\n    ~n_test.go:~D: got ~D, want ~D\nFAIL\tgithub.com/acme/~n\t0.~Ds\n", runs: 6, weight: 9},
	{run: "npm test -- ~p", describe: "Run the ~n test file", out: " ✓ ~v ~s (~d ms)\n", fail: " ✕ ~v ~s (~d ms)\n   expected ~D to equal ~D\n   at ~i (~p:~D:~d)\n", runs: 12, tail: "Tests: ~D passed, ~D total\nTime: ~d.~d s\n", weight: 7},
	{run: "pytest -q tests/test_~n.py", describe: "Run ~n tests", out: "~p::test_~v_~n PASSED\n", fail: "E   AssertionError: assert ~D == ~D\nE    +  where ~D = ~i(~D)\n~p:~D: AssertionError\n", runs: 14, weight: 6},
	{run: "git status --short", describe: "Show changed files", out: " M ~p\n", fail: "fatal: not a git repository\n", runs: 4, weight: 7},
	{run: "git diff --stat && git log --oneline -~d", describe: "Show diff summary and recent commits", out: "~h ~v the ~n ~w ~s\n", fail: "fatal: ambiguous argument 'HEAD~~~d'\n", runs: 7, weight: 6},
	{run: "git add -A && git commit -m \"~V ~s\"", describe: "Commit the change", out: "[~n ~h] ~V ~s\n ~d files changed, ~D insertions(+), ~d deletions(-)\n", fail: "error: pathspec '~p' did not match\n", runs: 1, weight: 5},
	{run: "ls -la ~n/", describe: "List the ~n folder", out: "-rw-r--r--  1 ~u staff  ~D Jan ~d 1~d:~d~d ~n.~n\n", fail: "ls: ~n/: No such file or directory\n", runs: 12, weight: 5},
	{run: "rg -n \"~i\" ~n", describe: "Find uses of ~i", out: "~p:~D:  ~i(~n, ~n)\n", fail: "", runs: 9, weight: 6},
	{run: "npx tsc --noEmit", describe: "Type-check the project", out: "", fail: "~p(~D,~d): error TS2345: Argument of type '~T' is not assignable to parameter of type '~T'.\n", runs: 0, weight: 5},
	{run: "cargo check 2>&1 | tail -~D", describe: "Check that it compiles", out: "    Checking ~n v0.~d.~d (/srv/~n)\n", fail: "error[E0308]: mismatched types\n  --> ~p:~D:~d\n   |\n~D |     let ~n = ~i(~n);\n", runs: 8, tail: "    Finished `dev` profile in ~d.~ds\n", weight: 4},
	{run: "docker compose logs ~n --tail ~D", describe: "Look at the ~n log", out: "~n-1  | 2026-01-1~dT1~d:2~d:~d~d level=info msg=\"~s\" ~n=~D\n", fail: "no such service: ~n\n", runs: 30, weight: 3},
	{run: "make ~v", describe: "Build with make", out: "cc -O2 -Wall -c ~n_~n.c -o build/~n.o\n", fail: "make: *** [~v] Error ~d\n", runs: 20, weight: 3},
	{run: "curl -s localhost:8080/api/~n | jq .", describe: "Query the ~n endpoint", out: "{\n  \"~n\": \"~s\",\n  \"~n\": ~D,\n  \"~n\": [~d, ~d]\n}\n", fail: "curl: (7) Failed to connect to localhost port 8080\n", runs: 3, weight: 3},
	{run: "cat ~p | head -~D", describe: "Show the start of a file", out: "~i(~n, ~n) // ~s\n", fail: "cat: ~p: No such file or directory\n", runs: 18, weight: 3},
	{run: "gh pr create --title \"~V ~s\" --body \"~S\"", describe: "Open a pull request", out: "https://github.com/acme/~n/pull/~D\n", fail: "pull request create failed: GraphQL: No commits between main and ~n\n", runs: 1, weight: 1},
	{run: "find . -name '*.~n' -newer ~p | wc -l", describe: "Count newer files", out: "~D\n", fail: "find: ~p: No such file or directory\n", runs: 1, weight: 2},
	{run: "python scripts/~v_~n.py --~n ~D", describe: "Run the ~n script", out: "~n=~D ~s\n", fail: "Traceback (most recent call last):\n  File \"scripts/~v_~n.py\", line ~D, in <module>\n    ~i(~n)\nValueError: ~s\n", runs: 10, weight: 4},
}

var shellMix = func() (w weighted[*shellCommand]) {
	for i := range shellCommands {
		w.add(&shellCommands[i], shellCommands[i].weight)
	}
	return w
}()

// outputScale stretches a command's usual output; the last percent are whole build logs.
var outputScale = curve{{0, 0.3}, {0.5, 1}, {0.9, 3}, {0.98, 12}, {0.998, 60}, {1, 120}}

// output writes what a command that worked prints, without the last line feed.
func (c *shellCommand) output(b []byte, r *rng, lex *lexicon) []byte {
	start := len(b)
	for n := int(float64(c.runs) * outputScale.draw(r)); n > 0; n-- {
		b = lex.expand(b, r, c.out)
	}
	b = lex.expand(b, r, c.tail)
	for len(b) > start && b[len(b)-1] == '\n' {
		b = b[:len(b)-1]
	}
	return b
}

// failure writes what a command that failed prints.
func (c *shellCommand) failure(b []byte, r *rng, lex *lexicon) []byte {
	for n := r.between(1, 4); n > 0; n-- {
		b = lex.expand(b, r, c.fail)
	}
	for len(b) > 0 && b[len(b)-1] == '\n' {
		b = b[:len(b)-1]
	}
	return b
}
