package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"claude-analytics/internal/config"
	"claude-analytics/internal/stream"
)

const (
	// wantPayload is what the embedded server takes at most; MongoDB's documents have up to 16 MB.
	wantPayload = 32 << 20
	needPayload = 17 << 20
	// slowRound is how long a request to the server may take before batches get slow.
	slowRound = 250 * time.Millisecond
)

// checkNATS looks at the server, at our account on it, and at the streams. Inside the running service it asks over the
// service's own connection.
func (s *service) checkNATS(ctx context.Context) []finding {
	if s.conn != nil && s.ready.Load() {
		return natsFindings(ctx, s.cfg, s.conn)
	}
	if s.cfg.NATSURL == "" {
		return []finding{good("nats", "embedded, in "+s.cfg.StreamDir())}
	}
	conn := stream.New(stream.Config{URL: s.cfg.NATSURL, Creds: s.cfg.NATSCreds, ConnectWait: dialWait, LeaveStreams: true}, disabledLogger)
	if err := conn.Open(ctx); err != nil {
		return []finding{bad("nats", err.Error(), natsRemedy(err))}
	}
	findings := natsFindings(ctx, s.cfg, conn)
	if err := conn.Close(ctx); err != nil {
		findings = append(findings, warn("nats", err.Error(), "look at the server's log"))
	}
	return findings
}

func natsRemedy(err error) string {
	switch {
	case errors.Is(err, stream.ErrServerTooOld):
		return "upgrade nats-server to " + stream.MinServerVersion + " or newer, or unset NATS_URL to use the embedded one"
	case errors.Is(err, stream.ErrNoJetStream):
		return "start nats-server with JetStream (-js, or the jetstream block of deploy/nats.conf), or enable it for the account"
	default:
		return "start nats-server " + stream.MinServerVersion + " or newer with JetStream (deploy/nats.conf), correct NATS_URL or NATS_CREDS, or unset NATS_URL"
	}
}

func natsFindings(ctx context.Context, cfg config.Loaded, conn *stream.Conn) []finding {
	facts, err := conn.Facts(ctx)
	if err != nil {
		return []finding{bad("nats", err.Error(), "see that the account has JetStream, and that its user may use $JS.API.>")}
	}
	findings := []finding{checkStreams(ctx, conn, facts), checkPayload(facts)}
	findings = append(findings, checkAccount(cfg, facts, conn.Embedded())...)
	if facts.Round > slowRound {
		findings = append(findings, warn("nats-latency", fmt.Sprintf("a request takes %s", facts.Round.Round(time.Millisecond)), "run nats-server closer to the service, or look at its disk"))
	}
	if facts.Replicas != 0 {
		findings = append(findings, skewFinding("NATS", facts.Skew, facts.Round))
	}
	return append(findings, checkConsumers(facts)...)
}

func checkStreams(ctx context.Context, conn *stream.Conn, facts stream.Facts) finding {
	differences, err := conn.Deploy(ctx, true)
	if err != nil {
		return bad("nats", err.Error(), "claude-analytics deploy --check says what differs; what no update mends has to be made anew")
	}
	if len(differences) > 0 {
		return bad("nats", fmt.Sprintf("%d stream settings differ: %s", len(differences), differences[0]), "claude-analytics deploy")
	}
	return good("nats", fmt.Sprintf("nats-server %s is reachable, streams as they should be", facts.Version))
}

func checkPayload(facts stream.Facts) finding {
	const id = "nats-payload"
	seen := fmt.Sprintf("messages may have %s bytes", count(facts.MaxPayload))
	if facts.MaxPayload < needPayload {
		return warn(id, seen+"; larger documents become dead letters", fmt.Sprintf("set max_payload: %dMB in the server's configuration (deploy/nats.conf)", wantPayload>>20))
	}
	return good(id, seen)
}

// checkAccount compares the account's limits with what the stream may grow to.
func checkAccount(cfg config.Loaded, facts stream.Facts, embedded bool) []finding {
	const id = "nats-limits"
	var findings []finding
	if facts.MaxStore > 0 {
		seen := fmt.Sprintf("streams take %s of %s", gib(facts.Used), gib(facts.MaxStore))
		switch {
		case facts.Used > facts.MaxStore/10*9:
			findings = append(findings, bad(id, seen, "raise max_file_store (or the account's storage), or lower STREAM_MAX_BYTES or STREAM_MAX_AGE"))
		case !embedded && (cfg.StreamMaxBytes == 0 || int64(cfg.StreamMaxBytes) > facts.MaxStore):
			findings = append(findings, warn(id, seen+fmt.Sprintf("; STREAM_MAX_BYTES lets the stream grow to %s", limitText(int64(cfg.StreamMaxBytes))),
				"lower STREAM_MAX_BYTES below what the server may store, or raise max_file_store"))
		default:
			findings = append(findings, good(id, seen))
		}
	}
	if facts.MaxStreams > 0 && facts.Replicas == 0 && facts.Streams+2 > facts.MaxStreams {
		findings = append(findings, bad(id, fmt.Sprintf("the account may have %d streams, and has %d", facts.MaxStreams, facts.Streams), "raise the account's limit: two are needed"))
	}
	if facts.MaxConsumer > 0 && facts.MaxConsumer < 4 {
		findings = append(findings, bad(id, fmt.Sprintf("the account may have %d consumers", facts.MaxConsumer), "raise the account's limit: two stay, others come and go"))
	}
	return findings
}

func limitText(n int64) string {
	if n <= 0 {
		return "any size"
	}
	return gib(n)
}

// checkConsumers tells of messages that are handed out again and again.
func checkConsumers(facts stream.Facts) []finding {
	var findings []finding
	for _, c := range facts.Consumers {
		if c.Redelivered > 0 {
			findings = append(findings, warn("nats-consumers", fmt.Sprintf("consumer %s: %s messages were delivered again", c.Name, count(c.Redelivered)),
				"look at claude-analytics status: a destination may be stuck or very slow"))
		}
	}
	return findings
}
