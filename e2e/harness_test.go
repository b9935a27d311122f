// Package e2e_test drives the built program as a person or an init system would: processes, files, signals.
package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"claude-analytics/internal/generator"
	"claude-analytics/internal/lockfile"
)

// patience bounds every wait: generous, since nothing here is a timing test.
const patience = 2 * time.Minute

// binary is the program under test: $CLAUDE_ANALYTICS, or built once.
var binary string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	if binary = os.Getenv("CLAUDE_ANALYTICS"); binary != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "claude-analytics")
	build := exec.Command("go", "build", "-tags", "duckdb_arrow", "-o", binary, "claude-analytics/cmd/claude-analytics")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// long marks a test that takes too long for every run: LONG=1 runs it, and SHARE=1, as CI does.
func long(t testing.TB) {
	t.Helper()
	if os.Getenv("LONG") == "" && os.Getenv("SHARE") == "" {
		t.Skip("takes long: LONG=1 or SHARE=1 runs it")
	}
}

// result is a finished run of the program.
type result struct {
	code   int
	stdout string
	stderr string
}

// environment is a clean one: no settings of the machine, an empty home, no .env file.
func environment(t testing.TB, extra ...string) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + os.TempDir(), "HTTP_ADDR=127.0.0.1:0", "LOG_LEVEL=info"}
	return append(env, extra...)
}

// runProgram runs the program to its end.
func runProgram(t testing.TB, env []string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir, cmd.Env = t.TempDir(), environment(t, env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %v: %v", args, err)
	}
	return result{code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
}

// mustRun runs the program and expects success.
func mustRun(t testing.TB, args ...string) string {
	t.Helper()
	r := runProgram(t, nil, args...)
	if r.code != 0 {
		t.Fatalf("claude-analytics %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// rows runs a query, live or offline as DATA_DIR has it, and decodes its objects.
func rows(t testing.TB, dataDir, sql string) []map[string]any {
	t.Helper()
	out := mustRun(t, "query", "--raw", "--json", "--limit", "1000000", "--data-dir", dataDir, sql)
	var objects []map[string]any
	decoder := json.NewDecoder(strings.NewReader(out))
	decoder.UseNumber()
	if err := decoder.Decode(&objects); err != nil {
		t.Fatalf("query %s: %v\n%s", sql, err, out)
	}
	return objects
}

// number runs a query of one number.
func number(t testing.TB, dataDir, sql string) int64 {
	t.Helper()
	all := rows(t, dataDir, "SELECT ("+sql+")::BIGINT AS n")
	n, err := all[0]["n"].(json.Number).Int64()
	if err != nil {
		t.Fatalf("query %s: %v", sql, err)
	}
	return n
}

// soon is number for a service that may still be starting: -1 while the query cannot be answered.
func soon(t testing.TB, dataDir, sql string) int64 {
	t.Helper()
	r := runProgram(t, nil, "query", "--raw", "--json", "--data-dir", dataDir, "SELECT ("+sql+")::BIGINT AS n")
	var all []struct{ N int64 }
	if r.code != 0 || json.Unmarshal([]byte(r.stdout), &all) != nil || len(all) != 1 {
		return -1
	}
	return all[0].N
}

// numbers runs many queries of one number as one.
func numbers(t testing.TB, dataDir string, queries map[string]string) map[string]int64 {
	t.Helper()
	var columns []string
	for name, sql := range queries {
		columns = append(columns, fmt.Sprintf("(%s)::BIGINT AS %q", sql, name))
	}
	all := rows(t, dataDir, "SELECT "+strings.Join(columns, ",\n"))
	out := map[string]int64{}
	for name, value := range all[0] {
		n, err := value.(json.Number).Int64()
		if err != nil {
			t.Fatalf("query %s: %v", queries[name], err)
		}
		out[name] = n
	}
	return out
}

// process is a running service.
type process struct {
	t       testing.TB
	cmd     *exec.Cmd
	dataDir string
	exited  chan struct{}
	mu      sync.Mutex
	log     bytes.Buffer
}

// Write collects the service's log.
func (p *process) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(text)
}

func (p *process) logs() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// startService starts the program with a DATA_DIR and does not wait for anything.
func startService(t testing.TB, dataDir string, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, dataDir: dataDir, exited: make(chan struct{})}
	p.cmd = exec.Command(binary, append(args, "--data-dir", dataDir)...)
	p.cmd.Dir, p.cmd.Env = t.TempDir(), environment(t, env...)
	p.cmd.Stdout, p.cmd.Stderr = io.Discard, p
	// A test that dies must not leave services behind.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %v: %v", args, err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("log of %v:\n%s", args, tail(p.logs(), 60))
		}
	})
	return p
}

// kill ends the service as a crash would.
func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	<-p.exited
}

// stop ends the service as an init system would, and returns its exit code.
func (p *process) stop() int {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	return p.wait()
}

// wait waits for the service's own end.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatalf("the service did not end:\n%s", tail(p.logs(), 60))
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// info waits for the addresses of the running service.
func (p *process) info() lockfile.Info {
	p.t.Helper()
	var info lockfile.Info
	eventually(p.t, "the service has addresses", func() bool {
		var held bool
		var err error
		info, held, err = lockfile.Read(filepath.Join(p.dataDir, "LOCK"))
		if !p.running() {
			p.t.Fatalf("the service ended with exit code %d:\n%s", p.cmd.ProcessState.ExitCode(), tail(p.logs(), 60))
		}
		return err == nil && held && info.NATSURL != "" && info.HTTPAddr != ""
	})
	return info
}

// get fetches a path of the running service.
func (p *process) get(path string) (int, string) {
	response, err := http.Get("http://" + p.info().HTTPAddr + path) //nolint:noctx // bounded by the service's life
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(body)
}

// eventually polls until a condition holds. A condition that starts a program to find out costs as much as the work that
// it waits for, so it is asked the less often the longer it takes.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		asked := time.Now()
		if condition() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain: %s", patience, what)
		}
		time.Sleep(min(max(20*time.Millisecond, 3*time.Since(asked)), time.Second))
	}
}

// untilIdle runs `up --until-idle` over a folder.
func untilIdle(t testing.TB, dataDir, transcripts string, extra ...string) {
	t.Helper()
	mustRun(t, append([]string{"up", "--until-idle", "--data-dir", dataDir, "--transcripts", transcripts, "--source", "test"}, extra...)...)
}

// generate writes transcripts and returns their folder.
func generate(t testing.TB, args ...string) (dir string, truth *generator.Truth) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "generated")
	mustRun(t, append([]string{"generate", "--out", dir}, args...)...)
	truth, err := generator.ReadTruth(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, truth
}

// natsServer starts the real server on a free port and a store of its own, and returns its URL and a way to start it
// again after it was killed.
type natsServer struct {
	t    testing.TB
	port int
	dir  string
	cmd  *exec.Cmd
	mu   sync.Mutex
}

func startNATS(t testing.TB) *natsServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &natsServer{t: t, port: listener.Addr().(*net.TCPAddr).Port, dir: t.TempDir()}
	listener.Close()
	conf := fmt.Sprintf("port: %d\nhost: 127.0.0.1\nmax_payload: 32MB\nmax_pending: 256MB\njetstream { store_dir: %q, sync_interval: always }\n", n.port, n.dir)
	if err := os.WriteFile(filepath.Join(n.dir, "nats.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	n.start()
	t.Cleanup(n.kill)
	return n
}

func (n *natsServer) url() string { return fmt.Sprintf("nats://127.0.0.1:%d", n.port) }

func (n *natsServer) start() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cmd = exec.Command(tool(n.t, "nats-server"), "-c", filepath.Join(n.dir, "nats.conf"))
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := n.cmd.Start(); err != nil {
		n.t.Fatalf("start nats-server: %v", err)
	}
	eventually(n.t, "nats-server listens", func() bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", n.port))
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func (n *natsServer) kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait()
}

// tool finds a program that `make tools` installs. A tool missing where it is promised is a failure, not a skip.
func tool(t testing.TB, name string) string {
	t.Helper()
	if path, err := filepath.Abs(filepath.Join("..", ".tools", "bin", name)); err == nil {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed: run `make tools`", name)
	}
	return path
}

// transcripts is the folder of real ones, or a skip that says so.
func transcripts(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("TRANSCRIPTS")
	if dir != "" && !filepath.IsAbs(dir) {
		dir = filepath.Join("..", dir)
	}
	if _, err := os.Stat(dir); dir == "" || err != nil {
		t.Skipf("no real transcripts at TRANSCRIPTS=%q: skipped", dir)
	}
	path, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
