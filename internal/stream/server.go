package stream

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"claude-analytics/proto"
)

const (
	defaultPort = 4222
	loopback    = "127.0.0.1"
	storeName   = "jetstream"
	// maxPending is how much may wait for one slow client before the server drops it, bytes.
	maxPending = 256 << 20
)

// storeRemedy is what to do about a damaged store.
const storeRemedy = "check the disk, then restore the directory from a backup, or move it away: the sources then fill the stream again"

// embedded is a NATS server in this process.
type embedded struct {
	ns  *server.Server
	log *serverLog
	dir string
	// had are the folders of our streams that were there before the server started.
	had map[string]string
}

// startServer starts a server on loopback that keeps its data in cfg.Dir and syncs every batch to the disk before it
// acknowledges it. broken is called when it can write no longer. If somebody else takes the free port between our look
// and the server's, another one is taken.
func startServer(ctx context.Context, cfg Config, log zerolog.Logger, broken func()) (*embedded, error) {
	e, err := tryServer(ctx, cfg, log, broken)
	if err != nil && cfg.Port == 0 && strings.Contains(err.Error(), "address already in use") {
		cfg.Port = server.RANDOM_PORT
		return tryServer(ctx, cfg, log, broken)
	}
	return e, err
}

func tryServer(ctx context.Context, cfg Config, log zerolog.Logger, broken func()) (*embedded, error) {
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("%w: directory %s: %w", ErrStore, cfg.Dir, err)
	}
	if err := checkWritable(dir); err != nil {
		return nil, fmt.Errorf("%w: directory %s: %w; make it writable for this user, or set DATA_DIR to another place", ErrStore, dir, err)
	}
	name := cfg.ServerName
	if name == "" {
		name = clientName
	}
	ns, err := server.NewServer(&server.Options{
		ServerName:             name,
		Host:                   loopback,
		Port:                   freePort(cfg.Port),
		JetStream:              true,
		StoreDir:               storeParent(dir),
		JetStreamMaxStore:      noStoreLimit,
		SyncAlways:             true,
		MaxPayload:             maxPayload,
		MaxPending:             maxPending,
		JetStreamLimits:        server.JSLimitOpts{MaxBatchSize: embeddedBatch},
		NoSigs:                 true,
		NoLog:                  true,
		DisableJetStreamBanner: true,
	})
	if err != nil {
		return nil, fmt.Errorf("set up embedded NATS server: %w", err)
	}
	e := &embedded{ns: ns, log: newServerLog(log, broken), dir: dir, had: streamFolders(dir)}
	ns.SetLoggerV2(e.log, false, false, false)
	go ns.Start()
	for !ns.ReadyForConnections(50 * time.Millisecond) {
		var failed error
		select {
		case <-ctx.Done():
			failed = fmt.Errorf("start embedded NATS server: %w", ctx.Err())
		case reason := <-e.log.fatal:
			failed = fmt.Errorf("%w: directory %s: %s; %s", ErrStore, dir, reason, storeRemedy)
		default:
			continue
		}
		return nil, errors.Join(failed, e.stop(context.WithoutCancel(ctx)))
	}
	return e, nil
}

// stop ends the server and waits until its files are closed, at most until ctx ends.
func (e *embedded) stop(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.ns.Shutdown()
		e.ns.WaitForShutdown()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop embedded NATS server: %w", ctx.Err())
	}
}

// storeParent is the directory to name to the server, which adds "jetstream" to it.
func storeParent(dir string) string {
	if filepath.Base(dir) == storeName {
		return filepath.Dir(dir)
	}
	return dir
}

// freePort turns the meaning of Config.Port into the server's: 0 is 4222 if nobody listens there.
func freePort(port int) int {
	if port != 0 {
		return port
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(defaultPort)))
	if err != nil {
		return server.RANDOM_PORT
	}
	_ = listener.Close()
	return defaultPort
}

// checkWritable makes the directory if it is missing, and writes to it.
func checkWritable(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	probe, err := os.CreateTemp(dir, ".write-test-*")
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// streamFolders finds where our streams stand on the disk, by name.
func streamFolders(dir string) map[string]string {
	found := map[string]string{}
	for _, name := range []string{proto.StreamName, proto.DeadLetterName} {
		folder := filepath.Join(storeParent(dir), storeName, server.DEFAULT_GLOBAL_ACCOUNT, "streams", name)
		if _, err := os.Stat(folder); err == nil {
			found[name] = folder
		}
	}
	return found
}

// trouble is what the embedded server last complained of, in brackets, with its directory; empty for an external one.
func (c *Conn) trouble() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil {
		return ""
	}
	return fmt.Sprintf(" (directory %s: %s)", c.server.dir, c.server.log.lastTrouble())
}

// said is what the embedded server last complained of; empty for an external one, or if it did not.
func (c *Conn) said() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil {
		return ""
	}
	c.server.log.mu.Lock()
	defer c.server.log.mu.Unlock()
	return c.server.log.trouble
}

// broken is the error of an embedded server that could not write: it answers no publish any more until it is started
// again, even if there is room by then. Nil for an external server, which says nothing of the kind.
func (c *Conn) broken() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil {
		return nil
	}
	log := c.server.log
	log.mu.Lock()
	defer log.mu.Unlock()
	if log.writeError == "" {
		return nil
	}
	return fmt.Errorf("%w: directory %s: %s; make room or mend the disk, then start again: nothing acknowledged is lost", ErrStore, c.server.dir, log.writeError)
}

// checkStore compares what the embedded server restored with what lay on the disk. The server starts without a stream
// that it cannot read, and may even remove it; creating an empty one in its place would lose it silently.
func (c *Conn) checkStore(ctx context.Context) error {
	c.mu.Lock()
	srv, js := c.server, c.js
	c.mu.Unlock()
	if srv == nil {
		return nil
	}
	for name, folder := range srv.had {
		_, err := js.Stream(ctx, name)
		switch {
		case err == nil:
			continue
		case !errors.Is(err, jetstream.ErrStreamNotFound):
			return fmt.Errorf("read stream %s: %w", name, err)
		}
		held, err := holdsMessages(folder)
		if err != nil {
			return fmt.Errorf("read stream %s: %w", name, err)
		}
		if held {
			return fmt.Errorf("%w: stream %s in %s is damaged (%s); %s", ErrStore, name, folder, srv.log.lastTrouble(), storeRemedy)
		}
		// The process was killed while it made the stream.
		c.log.Info().Str("stream", name).Str("path", folder).Msg("a stream that was never whole is made anew")
		if err := os.RemoveAll(folder); err != nil {
			return fmt.Errorf("make stream %s anew: %w", name, err)
		}
	}
	return nil
}

// holdsMessages is whether a stream's folder has a block that is not empty.
func holdsMessages(folder string) (bool, error) {
	blocks, err := os.ReadDir(filepath.Join(folder, "msgs"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	for _, block := range blocks {
		if filepath.Ext(block.Name()) != ".blk" {
			continue
		}
		if info, err := block.Info(); err != nil || info.Size() > 0 {
			return true, err
		}
	}
	return false, nil
}

// serverLog takes the embedded server's log lines: quiet when healthy, and what went wrong kept for the error that
// tells it.
type serverLog struct {
	log   zerolog.Logger
	fatal chan string

	// broken is called when the server logs that it can write no longer.
	broken func()

	mu         sync.Mutex
	trouble    string
	writeError string
}

func newServerLog(log zerolog.Logger, broken func()) *serverLog {
	return &serverLog{log: log.With().Str("server", "nats").Logger(), fatal: make(chan string, 1), broken: broken}
}

func (l *serverLog) keep(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trouble = line
}

// lastTrouble is the last warning or error that the server logged.
func (l *serverLog) lastTrouble() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.trouble == "" {
		return "the server gave no reason"
	}
	return l.trouble
}

// Noticef implements server.Logger.
func (l *serverLog) Noticef(format string, v ...any) { l.log.Debug().Msgf(format, v...) }

// Warnf implements server.Logger.
func (l *serverLog) Warnf(format string, v ...any) {
	if strings.HasPrefix(format, "Maximum payloads over") {
		// Ours are meant to be.
		return
	}
	line := fmt.Sprintf(format, v...)
	if strings.Contains(line, "write store state from purge: old update ignored") {
		// A position that is rolled up purges the one before it, and the server tells every consumer, also those that
		// are past it already: they have nothing to store, and say so.
		l.log.Debug().Msg(line)
		return
	}
	l.keep(line)
	l.log.Warn().Msg(line)
}

// Errorf implements server.Logger.
func (l *serverLog) Errorf(format string, v ...any) {
	line := fmt.Sprintf(format, v...)
	l.keep(line)
	l.log.Error().Msg(line)
	if strings.Contains(line, "critical write error") {
		l.mu.Lock()
		l.writeError = line
		l.mu.Unlock()
		l.broken()
	}
}

// Fatalf implements server.Logger. The server expects the process to end here; whoever started it is told instead.
func (l *serverLog) Fatalf(format string, v ...any) {
	line := fmt.Sprintf(format, v...)
	l.keep(line)
	select {
	case l.fatal <- line:
	default:
	}
}

// Debugf implements server.Logger.
func (l *serverLog) Debugf(format string, v ...any) { l.log.Trace().Msgf(format, v...) }

// Tracef implements server.Logger; a server's traces hold message contents and are never logged.
func (l *serverLog) Tracef(string, ...any) {}
