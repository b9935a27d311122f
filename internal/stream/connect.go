package stream

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/nats-io/nats.go"

	"claude-analytics/internal/mask"
)

const (
	clientName     = "claude-analytics"
	connectTimeout = 5 * time.Second
	connectFirst   = 250 * time.Millisecond
	connectLongest = 30 * time.Second
	// reconnectLongest is shorter than connectLongest: work is waiting.
	reconnectLongest = 5 * time.Second
)

// connect returns a connection, trying again visibly while the server cannot be reached.
func (c *Conn) connect(ctx context.Context) (*nats.Conn, error) {
	options, err := c.options()
	if err != nil {
		return nil, err
	}
	address := c.URL()
	retry := backoff{first: connectFirst, longest: connectLongest}
	started := time.Now()
	for {
		nc, err := nats.Connect(address, options...)
		if err == nil {
			return nc, nil
		}
		if !isUnreachable(err) {
			return nil, fmt.Errorf("connect to NATS server %s: %w", mask.URLs(address), err)
		}
		delay := retry.delay()
		if limit := c.cfg.ConnectWait; limit > 0 {
			left := limit - time.Since(started)
			if left <= 0 {
				return nil, fmt.Errorf("%w at %s within %s: %w; start it, or unset NATS_URL to use the embedded one", ErrUnreachable, mask.URLs(address), limit, err)
			}
			delay = min(delay, left)
		}
		c.log.Warn().Err(err).Str("url", mask.URLs(address)).Dur("retry_in", delay).Msg("NATS server cannot be reached, trying again")
		if err := wait(ctx, delay, nil); err != nil {
			return nil, fmt.Errorf("connect to NATS server %s: %w", mask.URLs(address), err)
		}
	}
}

// isUnreachable reports whether a refused connection may come about later: the server is down or still starting, as
// against a wrong address or a refused identity.
func isUnreachable(err error) bool {
	return !errors.Is(err, nats.ErrAuthorization) && !errors.Is(err, nats.ErrAuthExpired) && !errors.Is(err, nats.ErrAuthRevoked) &&
		!errors.Is(err, nats.ErrSecureConnWanted) && !errors.Is(err, nats.ErrSecureConnRequired) && !isBadURL(err)
}

func (c *Conn) options() ([]nats.Option, error) {
	options := []nats.Option{
		nats.Name(clientName),
		nats.Timeout(connectTimeout),
		nats.MaxReconnects(-1),
		nats.CustomReconnectDelay(func(attempts int) time.Duration {
			retry := backoff{first: connectFirst, longest: reconnectLongest}
			var d time.Duration
			for range min(attempts, 8) {
				d = retry.delay()
			}
			return d
		}),
		nats.IgnoreAuthErrorAbort(),
		// Nothing is buffered while the connection is down: whoever publishes must see that at once, and a batch must
		// not arrive after its writer gave it up.
		nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			c.link.cut()
			if err != nil {
				c.log.Warn().Err(err).Msg("connection to NATS server lost")
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			if err := checkVersion(nc.ConnectedServerVersion()); err != nil {
				c.log.Error().Err(err).Str("url", nc.ConnectedUrlRedacted()).Msg("reconnected to a server that will not do")
			} else {
				c.log.Info().Str("url", nc.ConnectedUrlRedacted()).Msg("reconnected to NATS server")
			}
			c.link.renew()
		}),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			event := c.log.Warn().Err(err)
			if sub != nil {
				event = event.Str("subject", sub.Subject)
			}
			event.Msg("NATS client")
		}),
	}
	if c.cfg.Creds != "" {
		if _, err := os.Stat(c.cfg.Creds); err != nil {
			return nil, fmt.Errorf("read NATS credentials: %w", err)
		}
		options = append(options, nats.UserCredentials(c.cfg.Creds))
	}
	if c.Embedded() {
		options = append(options, nats.InProcessServer(current{c}))
	}
	return options, nil
}

// isBadURL reports whether err is about the address itself.
func isBadURL(err error) bool {
	var bad *url.Error
	return errors.As(err, &bad)
}
