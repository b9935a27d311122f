package e2e_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestLanes feeds one external stream from two folders of one process and from a second host's lane, and reads it with
// the real nats CLI.
func TestLanes(t *testing.T) {
	t.Parallel()
	one, truthOne := generate(t, "--sessions", "5", "--seed", "21")
	two, truthTwo := generate(t, "--sessions", "5", "--seed", "22")
	three, truthThree := generate(t, "--sessions", "5", "--seed", "23")
	bus := startNATS(t)
	env := []string{"NATS_URL=" + bus.url()}
	data := t.TempDir()
	warehouse := startService(t, data, env, "warehouse")
	startService(t, t.TempDir(), env, "ingest", "--transcripts", one, "--transcripts", two, "--source", "alice-laptop")
	startService(t, t.TempDir(), env, "ingest", "--transcripts", three, "--source", "Bob's Desktop")
	want := truthOne.Objects + truthTwo.Objects + truthThree.Objects
	warehouse.info()
	eventually(t, "all three folders are in the warehouse", func() bool {
		return soon(t, data, "SELECT count(*) FROM raw.conversations") == want
	})
	if n := number(t, data, "SELECT count(DISTINCT source) FROM raw.conversations"); n != 2 {
		t.Errorf("%d lanes, want 2", n)
	}
	if n := number(t, data, "SELECT count(*) FROM raw.conversations WHERE source = 'alice-laptop'"); n != truthOne.Objects+truthTwo.Objects {
		t.Errorf("alice-laptop has %d rows, want %d", n, truthOne.Objects+truthTwo.Objects)
	}

	natsCLI := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(tool(t, "nats"), append([]string{"--server", bus.url()}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("nats %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if out := natsCLI("stream", "ls", "--names"); !strings.Contains(out, "CONVERSATIONS\n") || !strings.Contains(out, "CONVERSATIONS_DLQ") {
		t.Errorf("nats stream ls: %s", out)
	}
	if out := natsCLI("stream", "info", "CONVERSATIONS", "--json"); !strings.Contains(out, "allow_atomic") {
		t.Errorf("nats stream info: %s", out)
	}
	// One project's messages, by subject.
	project := rows(t, data, "SELECT project_id FROM raw.conversations WHERE source = 'bob-s-desktop' LIMIT 1")[0]["project_id"].(string)
	subjects := natsCLI("stream", "subjects", "CONVERSATIONS", "conversations.bob-s-desktop.*."+project, "--json")
	if !strings.Contains(subjects, project) {
		t.Errorf("no subject of project %s: %s", project, subjects)
	}
	if out := natsCLI("micro", "ls"); !strings.Contains(out, "claude-analytics") {
		t.Errorf("nats micro ls: %s", out)
	}
	if out := natsCLI("request", "claude-analytics.status", "{}"); !strings.Contains(out, "warehouse") {
		t.Errorf("nats request claude-analytics.status: %s", out)
	}
}

// TestSecondWriter: a lane has one writer; a second one waits, and takes over when the first dies.
func TestSecondWriter(t *testing.T) {
	t.Parallel()
	long(t)
	dir, truth := generate(t, "--sessions", "5", "--seed", "31")
	bus := startNATS(t)
	env := []string{"NATS_URL=" + bus.url()}
	data := t.TempDir()
	startService(t, data, env, "warehouse")
	first := startService(t, t.TempDir(), env, "ingest", "--transcripts", dir, "--source", "shared")
	eventually(t, "the first has published", func() bool {
		return soon(t, data, "SELECT count(*) FROM raw.conversations") == truth.Objects
	})
	standby := startService(t, t.TempDir(), env, "ingest", "--transcripts", dir, "--source", "shared")
	standby.info()
	eventually(t, "the standby says whom it waits for", func() bool {
		_, body := standby.get("/api/health")
		return strings.Contains(body, "standby") && strings.Contains(standby.logs(), "standing by")
	})
	if !first.running() {
		t.Fatalf("the first writer was disturbed:\n%s", tail(first.logs(), 20))
	}

	// By --takeover the newcomer has it at once, and the first ends, naming it.
	third := startService(t, t.TempDir(), env, "ingest", "--transcripts", dir, "--source", "shared", "--takeover")
	third.info()
	eventually(t, "the first writer is told that its lane was taken", func() bool { return !first.running() })
	if code := first.wait(); code != 1 || !strings.Contains(first.logs(), "was taken by writer") {
		t.Errorf("exit code %d\n%s", code, tail(first.logs(), 10))
	}
	third.kill() // no clean release: the standby has to see that it is silent
	eventually(t, "the standby follows", func() bool {
		_, body := standby.get("/api/health")
		return strings.Contains(body, "following")
	})
	if n := number(t, data, "SELECT count(*) FROM raw.conversations"); n != truth.Objects {
		t.Errorf("%d rows, want %d: something was published twice", n, truth.Objects)
	}
}
