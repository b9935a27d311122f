package stream

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"claude-analytics/proto"
)

// ranged reads a range and returns its sequences.
func ranged(t *testing.T, c *Conn, part Range, limit FetchLimit) (sequences []uint64) {
	t.Helper()
	err := c.ReadRange(testContext(t), part, limit, func(messages []Message) error {
		if limit.Messages > 0 && len(messages) > limit.Messages {
			t.Errorf("%d messages at once", len(messages))
		}
		for _, m := range messages {
			if m.Subject == "" || len(m.Data) == 0 || m.Time.IsZero() {
				t.Errorf("message %+v", m)
			}
			sequences = append(sequences, m.Seq)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sequences
}

func TestReadRange(t *testing.T) {
	c := embeddedConn(t)
	lane := openLane(t, c, LaneConfig{Lane: "alice", Writer: "w"})
	projects := []string{"one", "two"}
	var out []Outgoing
	for i := range 40 {
		out = append(out, Outgoing{Subject: proto.DataSubject("alice", fmt.Sprint("s", i%5), projects[i%2]), Data: []byte(fmt.Sprint(i))})
	}
	last, err := lane.Publish(testContext(t), out)
	if err != nil {
		t.Fatal(err)
	}
	state, err := c.State(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	first := last - 39
	span := func(from, to uint64, step uint64) (all []uint64) {
		for ; from <= to; from += step {
			all = append(all, from)
		}
		return all
	}
	all := Range{Subject: proto.AllSubjects, First: first, Last: last, Identity: state.Identity}
	with := func(change func(*Range)) Range {
		part := all
		change(&part)
		return part
	}
	for name, c2 := range map[string]struct {
		part Range
		want []uint64
	}{
		"all":                        {all, span(first, last, 1)},
		"a part":                     {with(func(r *Range) { r.First, r.Last = first+3, first+8 }), span(first+3, first+8, 1)},
		"beyond the end":             {with(func(r *Range) { r.Last = last + 100 }), span(first, last, 1)},
		"a project":                  {with(func(r *Range) { r.Subject = proto.ChangeSubjects("", "two") }), span(first+1, last, 2)},
		"a project's part":           {with(func(r *Range) { r.Subject, r.Last = proto.ChangeSubjects("", "two"), first+4 }), span(first+1, first+4, 2)},
		"a session":                  {with(func(r *Range) { r.Subject = proto.ChangeSubjects("s1", "") }), span(first+1, last, 5)},
		"nobody's":                   {with(func(r *Range) { r.Subject = proto.ChangeSubjects("", "three") }), nil},
		"behind what a project has":  {with(func(r *Range) { r.Subject, r.First = proto.ChangeSubjects("", "one"), last }), nil},
		"nothing, the wrong way":     {with(func(r *Range) { r.First, r.Last = first+8, first+3 }), nil},
		"positions are not a change": {with(func(r *Range) { r.Subject = proto.EventSubject("alice") }), nil},
	} {
		for _, limit := range []FetchLimit{{}, {Messages: 7}, {Bytes: 3}} {
			if got := ranged(t, c, c2.part, limit); !slices.Equal(got, c2.want) {
				t.Errorf("%s, %+v: %v, want %v", name, limit, got, c2.want)
			}
		}
	}

	// An error of the function is its own, and ends it.
	own := errors.New("enough")
	calls := 0
	err = c.ReadRange(testContext(t), all, FetchLimit{Messages: 5}, func([]Message) error {
		calls++
		return own
	})
	if !errors.Is(err, own) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	// Of another stream nothing is handed out.
	err = c.ReadRange(testContext(t), with(func(r *Range) { r.Identity.Created = r.Identity.Created.Add(1e9) }), FetchLimit{}, func([]Message) error {
		t.Error("handed out")
		return nil
	})
	if !errors.Is(err, ErrStreamChanged) {
		t.Errorf("another stream: %v", err)
	}
}

// What is removed while a range is read does not hold it up.
func TestReadRangeWhoseEndIsRemoved(t *testing.T) {
	c := embeddedConn(t)
	lane := openLane(t, c, LaneConfig{Lane: "alice", Writer: "w"})
	var out []Outgoing
	for i := range 20 {
		out = append(out, Outgoing{Subject: proto.DataSubject("alice", "s", "p"), Data: []byte(fmt.Sprint(i))})
	}
	last, err := lane.Publish(testContext(t), out)
	if err != nil {
		t.Fatal(err)
	}
	state, err := c.State(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	_, js, err := c.clients()
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(testContext(t), proto.StreamName)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	part := Range{Subject: proto.ChangeSubjects("s", "p"), First: 1, Last: last, Identity: state.Identity}
	err = c.ReadRange(testContext(t), part, FetchLimit{Messages: 1}, func([]Message) error {
		if n++; n == 1 {
			for seq := last - 15; seq <= last; seq++ {
				// Some were fetched already, and come.
				if err := stream.DeleteMsg(testContext(t), seq); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil || n < 5 {
		t.Errorf("%d messages, %v", n, err)
	}
}
