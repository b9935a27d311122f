package proto

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func drawLetter(t *rapid.T) DeadLetter {
	text := rapid.String()
	raw := rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })
	letter := DeadLetter{
		Lane:      text.Draw(t, "lane"),
		Part:      rapid.SampledFrom([]string{PartIngest, PartLake, PartWarehouse}).Draw(t, "part"),
		Reason:    rapid.SampledFrom([]string{ReasonBrokenLine, ReasonNotObject, ReasonTooLarge, ReasonNotConvertible}).Draw(t, "reason"),
		Detail:    text.Draw(t, "detail"),
		Namespace: text.Draw(t, "namespace"),
		ID:        text.Draw(t, "id"),
		File:      raw.Draw(t, "file"),
		Offset:    rapid.Int64().Draw(t, "offset"),
		Size:      rapid.Int64().Draw(t, "size"),
		Epoch:     rapid.Uint64().Draw(t, "epoch"),
		Seq:       rapid.Uint64().Draw(t, "seq"),
		Truncated: rapid.Bool().Draw(t, "truncated"),
		At:        time.UnixMicro(rapid.Int64Range(0, 1<<52).Draw(t, "at")).UTC(),
	}
	if payload := rapid.SliceOf(rapid.Byte()).Draw(t, "payload"); len(payload) > 0 {
		letter.Payload = payload
	}
	return letter
}

func TestDeadLetterRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letter := drawLetter(t)
		data, err := json.Marshal(letter)
		if err != nil {
			t.Fatal(err)
		}
		var back DeadLetter
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatalf("%v of %s", err, data)
		}
		if !reflect.DeepEqual(letter, back) {
			t.Fatalf("%+v came back as %+v", letter, back)
		}
		if back.Place() != letter.Place() {
			t.Fatalf("place %q came back as %q", letter.Place(), back.Place())
		}
	})
}

// TestPlace: who sets something aside, why, and what is known of it by the way, does not make another place.
func TestPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawLetter(t), drawLetter(t)
		same := a
		same.Part, same.Reason, same.Detail, same.At, same.Payload, same.Truncated, same.Size = b.Part, b.Reason, b.Detail, b.At, b.Payload, b.Truncated, b.Size
		if same.Place() != a.Place() {
			t.Fatalf("%q and %q", a.Place(), same.Place())
		}
	})
	base := DeadLetter{Lane: "a", Namespace: "n", File: "f", Offset: 1}
	message := DeadLetter{Lane: "a", Epoch: 1, Seq: 2}
	document := DeadLetter{Lane: "a", Namespace: "n", ID: "1"}
	places := map[string]bool{}
	for _, l := range []DeadLetter{
		base, message, document,
		{Lane: "b", Namespace: "n", File: "f", Offset: 1},
		{Lane: "a", Namespace: "m", File: "f", Offset: 1},
		{Lane: "a", Namespace: "n", File: "g", Offset: 1},
		{Lane: "a", Namespace: "n", File: "f", Offset: 2},
		{Lane: "a", Epoch: 2, Seq: 2},
		{Lane: "a", Epoch: 1, Seq: 3},
		{Lane: "a", Namespace: "n", ID: "2"},
		{Lane: "a", Namespace: "n 1", ID: ""},
		{Lane: "a", Namespace: "n", ID: " 1"},
	} {
		if places[l.Place()] {
			t.Errorf("%+v shares a place", l)
		}
		places[l.Place()] = true
	}
	if len(places) != 12 {
		t.Errorf("%d places", len(places))
	}
}

func TestDeadLetterIsReadable(t *testing.T) {
	data, err := json.Marshal(DeadLetter{Lane: "mac", Part: PartIngest, Reason: ReasonBrokenLine, File: "a.jsonl", Offset: 0, Size: 4})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"lane":"mac"`, `"part":"ingest"`, `"reason":"broken_line"`, `"file":"a.jsonl"`, `"offset":0`, `"size":4`} {
		if !strings.Contains(string(data), part) {
			t.Errorf("%s does not hold %s", data, part)
		}
	}
	if strings.Contains(string(data), "file_bytes") {
		t.Errorf("%s repeats a readable name", data)
	}
	var letter DeadLetter
	if err := json.Unmarshal([]byte(`[]`), &letter); err == nil {
		t.Error("an array was taken for a letter")
	}
}
