package stream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"github.com/rs/zerolog"
)

// Config says which server to use.
type Config struct {
	// URL of an external server (several: comma-separated); empty: an embedded one, which keeps its data in Dir.
	URL string
	// Creds is a NATS credentials file for the external server; empty: none.
	Creds string
	// ConnectWait bounds how long Open waits for the external server; 0: until its context ends.
	ConnectWait time.Duration
	// LeaveStreams makes Open neither create the streams nor change their settings: Deploy compares or mends them.
	LeaveStreams bool

	// Dir holds the embedded server's data: directly if it is called "jetstream", else in a folder of that name.
	Dir string
	// Port of the embedded server on loopback. 0: 4222, or any free one if that is taken; -1: any free one.
	Port int
	// ServerName of the embedded server; empty: "claude-analytics".
	ServerName string
}

const (
	// maxPayload is the embedded server's: what its file store takes at most, bytes.
	maxPayload = 32 << 20
	// payloadReserve is kept free in every message for subject, headers and the store's own record, bytes.
	payloadReserve = 16 << 10
	// requestTimeout is how long one request to the server may take before it is tried again.
	requestTimeout = 10 * time.Second
)

// Conn is a connection to the streams, with the embedded server behind it if there is one. It is safe for concurrent
// use once Open returned.
type Conn struct {
	cfg Config
	log zerolog.Logger
	// instance tells this connection's batches from those of another process that has the same writer id.
	instance string
	// batches numbers them.
	batches atomic.Uint64
	link    link

	// restarts lets one restart of the embedded server follow another.
	restarts sync.Mutex

	mu     sync.Mutex
	server *embedded
	nc     *nats.Conn
	js     jetstream.JetStream
}

// New returns a Conn that is not open yet. It does no I/O.
func New(cfg Config, log zerolog.Logger) *Conn {
	return &Conn{cfg: cfg, log: log.With().Str("part", "stream").Logger(), instance: nuid.Next()}
}

// Open starts the embedded server, or connects to the external one and, as long as that cannot be reached, tries
// again with a warning until ctx or Config.ConnectWait ends. It creates the streams, or updates their settings. It
// returns ErrServerTooOld, ErrNoJetStream, ErrStore, ErrUnreachable or ErrStreamConfig where these are the cause.
func (c *Conn) Open(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			// What was started for nothing is stopped; the first error is the one to tell.
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
			defer cancel()
			_ = c.Close(closing)
		}
	}()
	if c.Embedded() {
		c.resumeScrub(ctx)
		srv, err := startServer(ctx, c.cfg, c.log, c.link.cut)
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.server = srv
		c.mu.Unlock()
	}
	nc, err := c.connect(ctx)
	if err != nil {
		return err
	}
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(requestTimeout))
	if err != nil {
		nc.Close()
		return fmt.Errorf("open JetStream: %w", err)
	}
	c.mu.Lock()
	c.nc, c.js = nc, js
	c.mu.Unlock()

	if err := checkVersion(nc.ConnectedServerVersion()); err != nil {
		return err
	}
	if on, _ := nc.ConnectedServerJetStream(); !on {
		return fmt.Errorf("%w on %s; start the server with -js, or unset NATS_URL to use the embedded one", ErrNoJetStream, nc.ConnectedUrlRedacted())
	}
	if err := c.checkStore(ctx); err != nil {
		return err
	}
	c.finishScrub(ctx)
	if !c.cfg.LeaveStreams {
		if err := c.ensureStreams(ctx); err != nil {
			return err
		}
	}
	c.log.Info().Str("url", nc.ConnectedUrlRedacted()).Str("version", nc.ConnectedServerVersion()).Bool("embedded", c.Embedded()).Msg("stream open")
	return nil
}

// Close flushes what was published, ends the connection and stops the embedded server. It may be called more than
// once; ctx bounds the flush and the stop.
func (c *Conn) Close(ctx context.Context) error {
	c.mu.Lock()
	nc, srv := c.nc, c.server
	c.nc, c.js, c.server = nil, nil, nil
	c.mu.Unlock()

	var err error
	if nc != nil {
		if nc.IsConnected() {
			if ferr := flush(ctx, nc); ferr != nil {
				err = fmt.Errorf("flush: %w", ferr)
			}
		}
		nc.Close()
	}
	if srv != nil {
		err = errors.Join(err, srv.stop(ctx))
	}
	if nc != nil {
		c.log.Info().Msg("stream closed")
	}
	return err
}

// flush is a round trip to the server, so that all that was sent before it has arrived.
func flush(ctx context.Context, nc *nats.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return nc.FlushWithContext(ctx)
}

// Embedded reports whether the server runs in this process.
func (c *Conn) Embedded() bool { return c.cfg.URL == "" }

// URL is where other processes reach the same server; empty before an embedded one is open.
func (c *Conn) URL() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server != nil {
		return c.server.ns.ClientURL()
	}
	return c.cfg.URL
}

// ServerVersion is the connected server's version; empty if there is none.
func (c *Conn) ServerVersion() string {
	nc, _, err := c.clients()
	if err != nil {
		return ""
	}
	return nc.ConnectedServerVersion()
}

// MaxPayload is the most bytes of data that one message can hold.
func (c *Conn) MaxPayload() int64 {
	limit := int64(maxPayload)
	if nc, _, err := c.clients(); err == nil && nc.MaxPayload() > 0 {
		limit = min(limit, nc.MaxPayload())
	}
	return max(limit-payloadReserve, 0)
}

// clients returns what requests go through, or ErrClosed.
func (c *Conn) clients() (*nats.Conn, jetstream.JetStream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.nc == nil {
		return nil, nil, ErrClosed
	}
	return c.nc, c.js, nil
}

// batchID names a batch that no other has.
func (c *Conn) batchID() string {
	return c.instance + "." + strconv.FormatUint(c.batches.Add(1), 10)
}
