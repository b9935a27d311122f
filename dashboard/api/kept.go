package api

import (
	"context"
	"errors"
	"sync"
)

// maxKept bounds the answers that are kept, in bytes.
const maxKept = 32 << 20

// kept holds the answers of one refresh: many pages ask the same questions after each, and one computation does for all.
// A question that is being answered is waited for, not asked again.
type kept struct {
	mu      sync.Mutex
	tag     string // of the refresh that the answers show
	answers map[string]*keptAnswer
	bytes   int
}

// keptAnswer is an answer, or one that is on its way: the fields are there once done is closed.
type keptAnswer struct {
	done chan struct{}
	body []byte
	tag  string
	err  error
}

var errGivenUp = errors.New("the answer was given up")

// answer gives the answer to a question of a refresh; compute is called by the first who asks, and its context does not
// end with that one's request.
func (k *kept) answer(ctx context.Context, tag, question string, compute func(context.Context) (body []byte, newest string, err error)) ([]byte, string, error) {
	k.mu.Lock()
	if k.tag != tag {
		k.tag, k.answers, k.bytes = tag, map[string]*keptAnswer{}, 0
	}
	one, found := k.answers[question]
	if !found {
		one = &keptAnswer{done: make(chan struct{}), err: errGivenUp}
		k.answers[question] = one
	}
	k.mu.Unlock()
	if found {
		select {
		case <-one.done:
			return one.body, one.tag, one.err
		case <-ctx.Done():
			return nil, "", ctx.Err()
		}
	}
	defer func() {
		k.settle(tag, question, one)
		close(one.done)
	}()
	one.body, one.tag, one.err = compute(context.WithoutCancel(ctx))
	return one.body, one.tag, one.err
}

// settle keeps an answer that is worth it: not a failure, not one too many, and not one of another refresh.
func (k *kept) settle(tag, question string, one *keptAnswer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.tag != tag {
		return
	}
	if one.err != nil || one.tag != tag || k.bytes+len(one.body) > maxKept {
		delete(k.answers, question)
		return
	}
	k.bytes += len(one.body)
}
