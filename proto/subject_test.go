package proto

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// checkSubject fails unless text is a subject to publish to: tokens that are not empty and hold no wildcard, space or
// control character.
func checkSubject(t interface{ Fatalf(string, ...any) }, subject string, tokens int) {
	parts := strings.Split(subject, ".")
	if len(parts) != tokens {
		t.Fatalf("%q has %d tokens, want %d", subject, len(parts), tokens)
	}
	for _, part := range parts {
		if part == "" || len(part) > maxToken {
			t.Fatalf("%q has a token of %d bytes", subject, len(part))
		}
		for _, c := range []byte(part) {
			if c <= ' ' || c >= 0x7f || strings.IndexByte("*>.", c) >= 0 {
				t.Fatalf("%q holds %q", subject, c)
			}
		}
	}
}

func checkAllSubjects(t interface{ Fatalf(string, ...any) }, lane, key, project, name string) {
	laneName := LaneName(lane)
	if LaneName(laneName) != laneName {
		t.Fatalf("lane name of %q is %q, and of that %q", lane, laneName, LaneName(laneName))
	}
	if strings.Trim(laneName, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		t.Fatalf("lane name %q", laneName)
	}
	data := DataSubject(laneName, key, project)
	checkSubject(t, data, 4)
	checkSubject(t, EventSubject(laneName), 4)
	checkSubject(t, DeadLetterSubject(laneName, name), 3)
	if IsPosition(data) || IsPosition(EventSubject(laneName)) {
		t.Fatalf("%q is taken for a position", data)
	}
	if position := PositionSubject(laneName, "writer"); !IsPosition(position) {
		t.Fatalf("%q is not taken for a position", position)
	}
	parsed, err := ParseSubject(data)
	if err != nil || parsed.Lane != laneName || parsed.Bucket != Bucket(key) || parsed.Project != ProjectToken(project) {
		t.Fatalf("%q parsed as %+v, %v", data, parsed, err)
	}
	prefix := strings.TrimSuffix(LaneSubjects(laneName), ">")
	if !strings.HasPrefix(data, prefix) || !strings.HasPrefix(PositionSubject(laneName, "x"), strings.TrimSuffix(LanePositions(laneName), ">")) {
		t.Fatalf("%q is not below %q", data, prefix)
	}
}

func TestSubjectProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }), rapid.StringMatching(`[a-zA-Z0-9_.*> -]{0,200}`))
		checkAllSubjects(t, text.Draw(t, "lane"), text.Draw(t, "key"), text.Draw(t, "project"), text.Draw(t, "name"))
	})
}

func FuzzSubject(f *testing.F) {
	f.Add("host.example.org", "0b9c…", "-Users-me-src", "file")
	f.Add("", "", "", "")
	f.Add("*", ">", " ", "\x00\xff")
	f.Add(strings.Repeat("a", 500), "k", strings.Repeat("ü", 200), "n")
	f.Fuzz(func(t *testing.T, lane, key, project, name string) { checkAllSubjects(t, lane, key, project, name) })
}

// TestTokensStayApart: long names that differ only behind the cut are different projects.
func TestTokensStayApart(t *testing.T) {
	long := strings.Repeat("p", maxToken)
	if ProjectToken(long+"a") == ProjectToken(long+"b") {
		t.Error("two long projects share a token")
	}
	if ProjectToken(long) != long {
		t.Error("a project that fits was cut")
	}
}

func TestSubjects(t *testing.T) {
	for got, want := range map[string]string{
		DataSubject("mac", "s1", "-Users-me"): "conversations.mac." + Bucket("s1") + ".-Users-me",
		DataSubject("mac", "s1", ""):          "conversations.mac." + Bucket("s1") + "._",
		EventSubject("mongo"):                 "conversations.mongo._._",
		PositionSubject("mongo", "token"):     "conversations.mongo._pos.token",
		LaneSubjects("mongo"):                 "conversations.mongo.>",
		LanePositions("mongo"):                "conversations.mongo._pos.>",
		LaneName("My Laptop.local"):           "my-laptop-local",
		LaneName("…"):                         "default",
		LaneName(""):                          "default",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, subject := range []string{"", "conversations", "conversations.a.b", "conversations.a.b.c.d", "other.a.b.c"} {
		if _, err := ParseSubject(subject); !errors.Is(err, ErrSubject) {
			t.Errorf("%q: %v", subject, err)
		}
		if IsPosition(subject) {
			t.Errorf("%q is taken for a position", subject)
		}
	}
	if IsPosition("conversations._pos.aa.x") || IsPosition("conversations.a._position.x") {
		t.Error("a lane or bucket of a similar name is taken for a position")
	}
	if n := testing.AllocsPerRun(100, func() { _ = IsPosition("conversations.lane._pos.0123456789abcdef") }); n != 0 {
		t.Errorf("IsPosition allocates %v times", n)
	}
}
