package stream

import (
	"testing"
	"time"

	"claude-analytics/proto"
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

// Behind the position with which a batch ends nothing is waited for, unless much comes.
func TestEnoughBehindAPosition(t *testing.T) {
	const linger = 100 * time.Millisecond
	change, position := "conversations.lane.00.p", proto.PositionSubject("lane", "token")
	for _, c := range []struct {
		linger, waited time.Duration
		subject        string
		want           bool
	}{
		{linger, linger, position, true},
		{linger, linger, change, false},
		{linger, 99 * time.Millisecond, position, false},
		{linger, 0, change, false},
		{0, 0, change, true},
	} {
		if got := (FetchLimit{Linger: c.linger}).enough(c.waited, c.subject); got != c.want {
			t.Errorf("linger %s after %s, behind %s: %v", c.linger, c.waited, c.subject, got)
		}
	}
}
