package stream

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"claude-analytics/proto"
)

const (
	// pullBatch is how many messages one pull request asks for at most.
	pullBatch = 16 << 10
	// pullExpires is how long a request waits in the server; pullBeat how often the server says meanwhile that it
	// is still there.
	pullExpires = 30 * time.Second
	pullBeat    = 5 * time.Second
	// pullSlack is room for the server's signs beside a request's messages.
	pullSlack = 64
)

// pull is one placement's stream of messages from the server: one subscription, and one request at a time. The
// messages of a request wait in its channel, so that the server fetches while the destination works.
type pull struct {
	nc      *nats.Conn
	sub     *nats.Subscription
	inbox   chan *nats.Msg
	subject string
	request []byte
	batch   int
	// open is how many messages the request that stands in the server may still bring.
	open int
	// seen is the delivery number of the last message taken, newest the highest sequence.
	seen, newest uint64
	// renewed is closed when the connection that the placement belongs to is lost and regained.
	renewed <-chan struct{}
	// silence of this length, without a message or a beat, means that request or server is gone.
	patience time.Duration
	silence  *time.Timer
	// stuckAt is the sequence that the server had for us, and did not send, when it last gave a sign; 0: none.
	stuckAt uint64
}

// delivery is a message from the server with what its acknowledgement subject says about it.
type delivery struct {
	*nats.Msg
	seq, number uint64
	time        time.Time
}

// start subscribes. Nothing is requested yet.
func (p *pull) start(nc *nats.Conn, cfg ConsumerConfig, after uint64, bytes int, renewed <-chan struct{}) error {
	batch := min(pullBatch, consumerConfig(cfg).MaxAckPending)
	request, err := json.Marshal(struct {
		Expires  time.Duration `json:"expires"`
		Batch    int           `json:"batch"`
		MaxBytes int           `json:"max_bytes"`
		Beat     time.Duration `json:"idle_heartbeat"`
	}{pullExpires, batch, bytes, cfg.beat})
	if err != nil {
		return err
	}
	inbox := make(chan *nats.Msg, batch+pullSlack)
	sub, err := nc.ChanSubscribe(nc.NewInbox(), inbox)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if p.silence == nil {
		p.silence = time.NewTimer(time.Hour)
	}
	*p = pull{
		nc: nc, sub: sub, inbox: inbox, request: request, batch: batch, newest: after, renewed: renewed, silence: p.silence, patience: 5 * cfg.beat / 2,
		subject: jetstream.DefaultAPIPrefix + "CONSUMER.MSG.NEXT." + proto.StreamName + "." + cfg.Name,
	}
	return nil
}

// stop unsubscribes; what is under way is dropped.
func (p *pull) stop() {
	if p.sub != nil {
		// It fails only if the connection is closed, and then there is no subscription.
		_ = p.sub.Unsubscribe()
		p.sub = nil
	}
	if p.silence != nil {
		p.silence.Stop()
	}
}

// ask makes sure that a request stands in the server.
func (p *pull) ask() error {
	if p.open > 0 {
		return nil
	}
	if err := p.nc.PublishRequest(p.subject, p.sub.Subject, p.request); err != nil {
		return fmt.Errorf("request messages: %w", err)
	}
	p.open = p.batch
	return nil
}

// parseAck takes sequence, delivery number and time out of an acknowledgement subject:
// $JS.ACK[.<domain>.<account>].<stream>.<consumer>.<deliveries>.<sequence>.<number>.<time>.<pending>[.<random>]
func parseAck(subject string) (seq, number uint64, at time.Time, ok bool) {
	const short, long = 5, 7 // tokens before the sequence
	skip := short
	if strings.Count(subject, ".") > 8 {
		skip = long
	}
	rest := subject
	for range skip {
		_, rest, ok = strings.Cut(rest, ".")
		if !ok {
			return 0, 0, time.Time{}, false
		}
	}
	var numbers [3]uint64
	for i := range numbers {
		var token string
		token, rest, ok = strings.Cut(rest, ".")
		if !ok || token == "" {
			return 0, 0, time.Time{}, false
		}
		for _, c := range []byte(token) {
			if c < '0' || c > '9' {
				return 0, 0, time.Time{}, false
			}
			numbers[i] = numbers[i]*10 + uint64(c-'0')
		}
	}
	return numbers[0], numbers[1], time.Unix(0, int64(numbers[2])), true
}
