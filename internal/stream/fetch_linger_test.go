package stream

import (
	"testing"
	"time"
)

// What comes after a pause is not kept waiting; what comes while much does is gathered.
func TestLingerAfterAPause(t *testing.T) {
	const linger = 100 * time.Millisecond
	for _, c := range []struct{ linger, waited, want time.Duration }{
		{linger, 0, linger},
		{linger, 99 * time.Millisecond, linger},
		{linger, linger, aloneLinger},
		{linger, time.Hour, aloneLinger},
		{time.Millisecond, time.Hour, time.Millisecond},
		{0, time.Hour, 0},
	} {
		if got := (FetchLimit{Linger: c.linger}).after(c.waited); got != c.want {
			t.Errorf("linger %s after %s: %s, want %s", c.linger, c.waited, got, c.want)
		}
	}
}
