// Package mongotest runs the MongoDB that tests and the benchmark talk to: the one of $MONGODB_URI, or a SecantusDB of
// their own, a separate process that speaks MongoDB's wire protocol.
package mongotest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// patience bounds every wait for a server. It is up in 3 or 4 s on an idle machine; a build may run beside it.
const patience = 2 * time.Minute

// errExited means the server ended by itself while it was waited for.
var errExited = errors.New("the server exited")

// Options say what kind of server is needed. The zero value is a replica set of one node that keeps nothing on disk.
// Whatever else is asked for is answered by a server of our own, even if $MONGODB_URI names one.
type Options struct {
	// Dir is the storage directory. Empty: in memory, bounded by the server's cache of 1 GB, and Restart is refused.
	Dir string
	// OplogMaxEntries is how many changes the oplog reaches back; 0 is the server's default of 100,000.
	OplogMaxEntries int
	// Standalone leaves the replica set out: change streams are refused.
	Standalone bool
	// User and Password, if given, are created with the role root and required from then on. They need a Dir (Start provides one).
	User, Password string
	// Args are further arguments of secantusd-py.
	Args []string
}

func (o Options) needOwn() bool {
	return o.Dir != "" || o.OplogMaxEntries != 0 || o.Standalone || o.User != "" || len(o.Args) > 0
}

// Server is a running MongoDB. Its methods may be called from several goroutines.
type Server struct {
	opts    Options
	program string // empty: the server of $MONGODB_URI
	uri     string
	port    int

	mu   sync.Mutex
	proc *process // nil: not running, or not ours
}

// Launch returns a server that answers. The caller stops it.
func Launch(ctx context.Context, opts Options) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if uri := os.Getenv("MONGODB_URI"); uri != "" && !opts.needOwn() {
		s := &Server{uri: uri}
		if err := s.run(ctx, bson.D{{Key: "ping", Value: 1}}, nil); err != nil {
			return nil, fmt.Errorf("reach the MongoDB of $MONGODB_URI: %w", err)
		}
		return s, nil
	}
	program, err := findProgram()
	if err != nil {
		return nil, err
	}
	if opts.User != "" && opts.Dir == "" {
		return nil, errors.New("start SecantusDB: a user needs a storage directory")
	}
	// Between choosing a port and binding it somebody else may take it.
	for range 3 {
		s := &Server{opts: opts, program: program}
		if s.port, err = freePort(); err != nil {
			return nil, fmt.Errorf("start SecantusDB: %w", err)
		}
		if err = s.launch(ctx); err == nil {
			return s, nil
		}
		if !errors.Is(err, errExited) {
			break
		}
	}
	return nil, err
}

// launch starts the server for the first time. A user can only be created while none is required.
func (s *Server) launch(ctx context.Context) error {
	s.uri = fmt.Sprintf("mongodb://127.0.0.1:%d/?directConnection=true&serverMonitoringMode=poll", s.port)
	if s.opts.User == "" {
		return s.start(ctx)
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	err := s.run(ctx, bson.D{
		{Key: "createUser", Value: s.opts.User},
		{Key: "pwd", Value: s.opts.Password},
		{Key: "roles", Value: bson.A{"root"}},
	}, nil)
	s.Stop()
	if err != nil {
		return fmt.Errorf("create user %s: %w", s.opts.User, err)
	}
	s.uri = fmt.Sprintf("mongodb://%s@127.0.0.1:%d/?authSource=admin&directConnection=true&serverMonitoringMode=poll",
		url.UserPassword(s.opts.User, s.opts.Password), s.port)
	return s.start(ctx, "--auth")
}

// start starts the process and waits until it answers.
func (s *Server) start(ctx context.Context, extra ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	proc, err := startProcess(s.program, append(s.args(), extra...))
	if err != nil {
		return fmt.Errorf("start SecantusDB: %w", err)
	}
	if err := s.answers(ctx, proc); err != nil {
		proc.kill()
		return fmt.Errorf("start SecantusDB: %w\n%s", err, proc.tail())
	}
	s.proc = proc
	return nil
}

func (s *Server) args() []string {
	args := []string{
		"--host", "127.0.0.1", "--port", fmt.Sprint(s.port),
		// A quiet change stream's tokens move on with these, so that they stay within the oplog.
		"--noop-heartbeat-seconds", "1",
		"--enable-test-commands", "--log-level", "WARNING",
	}
	storage := s.opts.Dir
	if storage == "" {
		storage = ":memory:"
	}
	args = append(args, "--storage-path", storage)
	if s.opts.OplogMaxEntries != 0 {
		args = append(args, "--oplog-max-entries", fmt.Sprint(s.opts.OplogMaxEntries))
	}
	if s.opts.Standalone {
		args = append(args, "--standalone")
	}
	return append(args, s.opts.Args...)
}

// answers waits until it is this process, and not another on its port, that answers.
func (s *Server) answers(ctx context.Context, proc *process) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	address := fmt.Sprintf("127.0.0.1:%d", s.port)
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			conn.Close()
			break
		}
		select {
		case <-proc.exited:
			return errExited
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", address, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	var status struct {
		PID int64 `bson:"pid"`
	}
	if err := s.run(ctx, bson.D{{Key: "serverStatus", Value: 1}}, &status); err != nil {
		return fmt.Errorf("first command: %w", err)
	}
	if status.PID != int64(proc.cmd.Process.Pid) {
		return fmt.Errorf("%w: process %d answers on its port", errExited, status.PID)
	}
	return nil
}

// Start is Launch for a test: the server is stopped at its end, and what it logged is shown if the test failed.
// A server that is missing fails the test, it does not skip it.
func Start(t testing.TB, opts Options) *Server {
	t.Helper()
	if opts.User != "" && opts.Dir == "" {
		opts.Dir = t.TempDir()
	}
	s, err := Launch(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("SecantusDB logged:\n%s", s.log())
		}
		s.Stop()
	})
	return s
}

// URI is what a client connects to, with its credentials.
func (s *Server) URI() string { return s.uri }

// Own tells whether the server was started by us, so that it may be stopped, restarted and made to fail.
func (s *Server) Own() bool { return s.program != "" }

// Stop ends the server in good order; one that keeps nothing is ended at once. A server that is not our own goes on.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return
	}
	if s.opts.Dir == "" {
		s.proc.kill()
	} else {
		s.proc.stop()
	}
	s.proc = nil
}

// Kill ends the server at once, without a chance to tidy up.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil {
		s.proc.kill()
		s.proc = nil
	}
}

// Restart starts the server again, on the same port and storage directory, after stopping it if it runs.
func (s *Server) Restart(ctx context.Context) error {
	if s.opts.Dir == "" {
		return errors.New("restart: the server keeps nothing, or is not our own")
	}
	s.Stop()
	if s.opts.User != "" {
		return s.start(ctx, "--auth")
	}
	return s.start(ctx)
}

// log is the end of what the server wrote.
func (s *Server) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return ""
	}
	return s.proc.tail()
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
