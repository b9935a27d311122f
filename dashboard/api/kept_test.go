package api

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

// One computation answers all who ask meanwhile and afterwards, until the next refresh; a failure is asked again.
func TestKept(t *testing.T) {
	var k kept
	var computed atomic.Int64
	release := make(chan struct{})
	ask := func(tag, question string, fail error) ([]byte, error) {
		body, _, err := k.answer(t.Context(), tag, question, func(context.Context) ([]byte, string, error) {
			computed.Add(1)
			<-release
			return []byte(question), tag, fail
		})
		return body, err
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if body, err := ask("1", "a", nil); err != nil || string(body) != "a" {
				t.Errorf("%s, %v", body, err)
			}
		})
	}
	close(release)
	all.Wait()
	if n := computed.Load(); n != 1 {
		t.Errorf("computed %d times", n)
	}
	for _, test := range []struct {
		tag, question string
		fail          error
		times         int64
	}{{"1", "a", nil, 1}, {"1", "b", nil, 2}, {"2", "a", nil, 3}, {"2", "c", errors.New("broken"), 4}, {"2", "c", nil, 5}, {"2", "c", nil, 5}} {
		if _, err := ask(test.tag, test.question, test.fail); !errors.Is(err, test.fail) || computed.Load() != test.times {
			t.Errorf("%+v: %v, computed %d times", test, err, computed.Load())
		}
	}
	// An answer that shows a newer refresh than was asked for is given, and not kept for the older one.
	newer := func(context.Context) ([]byte, string, error) { computed.Add(1); return []byte("new"), "3", nil }
	for range 2 {
		if _, tag, _ := k.answer(t.Context(), "2", "d", newer); tag != "3" {
			t.Errorf("tag %s", tag)
		}
	}
	large := func(context.Context) ([]byte, string, error) { computed.Add(1); return make([]byte, maxKept), "2", nil }
	for range 2 {
		_, _, _ = k.answer(t.Context(), "2", "e", large)
	}
	if n := computed.Load(); n != 9 {
		t.Errorf("computed %d times in the end", n)
	}
}
