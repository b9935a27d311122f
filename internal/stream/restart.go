package stream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// current connects to whichever embedded server runs at the moment.
type current struct{ c *Conn }

// InProcessConn implements nats.InProcessConnProvider.
func (p current) InProcessConn() (net.Conn, error) {
	p.c.mu.Lock()
	srv := p.c.server
	p.c.mu.Unlock()
	if srv == nil {
		return nil, ErrClosed
	}
	return srv.ns.InProcessConn()
}

const (
	// returnWait is how long a restart waits for the clients that were there before.
	returnWait = 10 * time.Second
	// startWait bounds one attempt to start the server again.
	startWait = 10 * time.Minute
)

// restart stops the embedded server in good order, calls fn, and starts the server again on the same port, whatever fn
// returns. Clients are cut off and come back, as from a server that was killed. It ends once they are back.
func (c *Conn) restart(ctx context.Context, fn func() error) error {
	c.restarts.Lock()
	defer c.restarts.Unlock()
	c.mu.Lock()
	old := c.server
	c.mu.Unlock()
	if old == nil {
		return ErrClosed
	}
	cfg := c.cfg
	if addr, ok := old.ns.Addr().(*net.TCPAddr); ok {
		cfg.Port = addr.Port
	}
	clients := old.ns.NumClients()
	// From here on it is gone through with: a server half way is nobody's use.
	whole := context.WithoutCancel(ctx)
	if err := old.stop(whole); err != nil {
		return err
	}
	failed := fn()
	srv, err := c.startAgain(whole, cfg)
	if err != nil {
		return errors.Join(failed, err)
	}
	if err := c.checkStore(whole); err != nil {
		return errors.Join(failed, err)
	}
	for deadline := time.Now().Add(returnWait); srv.ns.NumClients() < clients && time.Now().Before(deadline); {
		if err := wait(ctx, 20*time.Millisecond, nil); err != nil {
			return errors.Join(failed, err)
		}
	}
	return failed
}

// startAgain starts a server in the old one's place, and waits until this connection has found it.
func (c *Conn) startAgain(ctx context.Context, cfg Config) (*embedded, error) {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	retry := backoff{first: connectFirst, longest: reconnectLongest}
	var srv *embedded
	for {
		var err error
		if srv, err = startServer(ctx, cfg, c.log, c.link.cut); err == nil {
			break
		}
		c.log.Warn().Err(err).Msg("the embedded NATS server does not start again, trying")
		if werr := wait(ctx, retry.delay(), nil); werr != nil {
			return nil, fmt.Errorf("start the embedded NATS server again: %w", err)
		}
	}
	c.mu.Lock()
	nc := c.nc
	if nc != nil {
		c.server = srv
	}
	c.mu.Unlock()
	if nc == nil { // closed meanwhile
		return nil, errors.Join(ErrClosed, srv.stop(ctx))
	}
	for !nc.IsConnected() {
		if nc.IsClosed() {
			return nil, ErrClosed
		}
		if err := wait(ctx, 20*time.Millisecond, nil); err != nil {
			return nil, fmt.Errorf("connect to the embedded NATS server again: %w", err)
		}
	}
	return srv, nil
}
