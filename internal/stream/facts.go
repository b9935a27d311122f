package stream

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"claude-analytics/proto"
)

// Facts are what can be seen of a server and of our account on it.
type Facts struct {
	Version    string
	MaxPayload int64
	// Round is how long a request takes, Skew how far the server's clock is ahead of ours, give or take that.
	Round, Skew time.Duration
	// Limits of the account; 0 or less: none. Used is what its streams take, bytes as stored.
	MaxStore, Used          int64
	MaxStreams, MaxConsumer int
	Streams                 int
	// Replicas of CONVERSATIONS; 0 while there is no such stream.
	Replicas int
	// Consumers are the durable ones of CONVERSATIONS.
	Consumers []ConsumerFacts
}

// ConsumerFacts are what can be seen of a durable consumer.
type ConsumerFacts struct {
	Name        string
	Pending     uint64
	Unacked     int
	Redelivered int
}

// Facts asks the server. It changes nothing.
func (c *Conn) Facts(ctx context.Context) (Facts, error) {
	nc, js, err := c.clients()
	if err != nil {
		return Facts{}, err
	}
	facts := Facts{Version: nc.ConnectedServerVersion(), MaxPayload: nc.MaxPayload()}
	account, err := js.AccountInfo(ctx)
	if err != nil {
		return facts, fmt.Errorf("read the account's limits: %w", err)
	}
	facts.MaxStore, facts.Used = account.Limits.MaxStore, int64(account.Store)
	facts.MaxStreams, facts.MaxConsumer, facts.Streams = account.Limits.MaxStreams, account.Limits.MaxConsumers, account.Streams
	asked := time.Now()
	stream, err := js.Stream(ctx, proto.StreamName)
	if isAbsent(err) {
		return facts, nil
	}
	if err != nil {
		return facts, fmt.Errorf("read the stream: %w", err)
	}
	facts.Round = time.Since(asked)
	info := stream.CachedInfo()
	facts.Skew, facts.Replicas = info.TimeStamp.Sub(asked.Add(facts.Round/2)), info.Config.Replicas
	for _, name := range []string{proto.LakeConsumer, proto.WarehouseConsumer} {
		consumer, err := js.Consumer(ctx, proto.StreamName, name)
		if isAbsent(err) {
			continue
		}
		if err != nil {
			return facts, fmt.Errorf("read consumer %s: %w", name, err)
		}
		facts.Consumers = append(facts.Consumers, consumerFacts(consumer.CachedInfo()))
	}
	return facts, nil
}

func consumerFacts(info *jetstream.ConsumerInfo) ConsumerFacts {
	return ConsumerFacts{Name: info.Name, Pending: info.NumPending, Unacked: info.NumAckPending, Redelivered: info.NumRedelivered}
}
