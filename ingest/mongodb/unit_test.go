package mongodb

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"claude-analytics/proto"
)

// value is a BSON value as it stands in a document.
func value(t interface{ Fatal(...any) }, v any) bson.RawValue {
	raw, err := bson.Marshal(bson.D{{Key: "v", Value: v}})
	if err != nil {
		t.Fatal(err)
	}
	return bson.Raw(raw).Lookup("v")
}

func TestRowKey(t *testing.T) {
	oid, err := bson.ObjectIDFromHex("65a1b2c3d4e5f60718293a4b")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		id   any
		want string
	}{
		{oid, "65a1b2c3d4e5f60718293a4b"},
		{"65a1b2c3d4e5f60718293a4b", `"65a1b2c3d4e5f60718293a4b"`},
		{"a\"<b>\n", `"a\"<b>\n"`},
		{int32(5), `{"$numberInt":"5"}`},
		{int64(5), `{"$numberLong":"5"}`},
		{5.0, `{"$numberDouble":"5.0"}`},
		{true, "true"},
		{nil, "null"},
		{time.UnixMilli(1).UTC(), `{"$date":{"$numberLong":"1"}}`},
		{bson.D{{Key: "b", Value: int32(1)}, {Key: "a", Value: "x"}}, `{"b":{"$numberInt":"1"},"a":"x"}`},
		{bson.Binary{Subtype: 4, Data: []byte{1, 2}}, `{"$binary":{"base64":"AQI=","subType":"04"}}`},
	} {
		got, err := rowKey(value(t, c.id))
		if err != nil || got != c.want {
			t.Errorf("%v: %s, %v, want %s", c.id, got, err, c.want)
		}
	}
}

func drawID(t *rapid.T, label string) any {
	text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return strings.ReplaceAll(string(b), "\x00", "") }))
	leaf := func(label string) any {
		switch rapid.IntRange(0, 8).Draw(t, label+" type") {
		case 0:
			return text.Draw(t, label)
		case 1:
			return rapid.Int32().Draw(t, label)
		case 2:
			return rapid.Int64().Draw(t, label)
		case 3:
			return rapid.Float64().Draw(t, label)
		case 4:
			return rapid.Bool().Draw(t, label)
		case 5:
			return bson.DateTime(rapid.Int64().Draw(t, label))
		case 6:
			return bson.Binary{Subtype: rapid.Byte().Draw(t, label+" subtype"), Data: rapid.SliceOf(rapid.Byte()).Draw(t, label)}
		case 7:
			return bson.NewDecimal128(rapid.Uint64().Draw(t, label+" high"), rapid.Uint64().Draw(t, label))
		default:
			return nil
		}
	}
	if rapid.IntRange(0, 4).Draw(t, label+" nested") == 0 {
		return bson.D{{Key: "a", Value: leaf(label + " a")}, {Key: "b", Value: leaf(label + " b")}}
	}
	return leaf(label)
}

// TestRowKeysStayApart: different ids have different keys, and the same id has the same.
func TestRowKeysStayApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := value(t, drawID(t, "a")), value(t, drawID(t, "b"))
		ka, erra := rowKey(a)
		kb, errb := rowKey(b)
		if erra != nil || errb != nil {
			t.Fatal(erra, errb)
		}
		same := a.Type == b.Type && bytes.Equal(a.Value, b.Value)
		if same != (ka == kb) {
			t.Fatalf("%v and %v have the keys %q and %q", a, b, ka, kb)
		}
		if again, _ := rowKey(a); again != ka {
			t.Fatalf("%q, then %q", ka, again)
		}
	})
}

func FuzzEvent(f *testing.F) {
	event := func(d bson.D) []byte {
		raw, err := bson.Marshal(d)
		if err != nil {
			f.Fatal(err)
		}
		return raw
	}
	token := bson.D{{Key: "_data", Value: "8265"}}
	f.Add(event(bson.D{{Key: "_id", Value: token}, {Key: "operationType", Value: "insert"}, {Key: "fullDocument", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "documentKey", Value: bson.D{{Key: "_id", Value: 1}}}}))
	f.Add(event(bson.D{{Key: "_id", Value: token}, {Key: "operationType", Value: "rename"}, {Key: "ns", Value: bson.D{{Key: "db", Value: 1}}}}))
	f.Add(event(bson.D{{Key: "_id", Value: token}, {Key: "splitEvent", Value: bson.D{{Key: "fragment", Value: int32(1)}, {Key: "of", Value: int32(2)}}}}))
	f.Add([]byte{5, 0, 0, 0, 0})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		var a assembler
		c := encoder{lane: "mongo", namespace: "d.c", maxMessage: 1 << 20, counters: new(Counters)}
		for range 2 {
			e, whole, err := a.add(raw)
			if !whole {
				continue
			}
			got := c.entry(&item{event: e, fault: err}, time.Unix(0, 0))
			if err != nil && got.letter == nil {
				t.Fatalf("%v is not set aside", err)
			}
			if got.letter != nil && got.change.Data != nil {
				t.Fatal("it is set aside and published")
			}
		}
		_ = tokenTime(raw)
	})
}

// TestSplitEvents: an event cut into parts at any field comes out whole.
func TestSplitEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fields := bson.D{
			{Key: "operationType", Value: "update"},
			{Key: "clusterTime", Value: bson.Timestamp{T: 7, I: 8}},
			{Key: "ns", Value: bson.D{{Key: "db", Value: "d"}, {Key: "coll", Value: "c"}}},
			{Key: "documentKey", Value: bson.D{{Key: "_id", Value: "x"}}},
			{Key: "fullDocument", Value: bson.D{{Key: "_id", Value: "x"}, {Key: "text", Value: rapid.String().Draw(t, "text")}}},
		}
		of := rapid.IntRange(1, len(fields)).Draw(t, "parts")
		cuts := rapid.Permutation([]int{1, 2, 3, 4}).Draw(t, "cuts")[:of-1]
		at := map[int]bool{}
		for _, cut := range cuts {
			at[cut] = true
		}
		var parts []bson.D
		for i, field := range fields {
			if i == 0 || at[i] {
				n := len(parts) + 1
				parts = append(parts, bson.D{
					{Key: "_id", Value: bson.D{{Key: "_data", Value: strings.Repeat("8", n)}}},
					{Key: "splitEvent", Value: bson.D{{Key: "fragment", Value: int32(n)}, {Key: "of", Value: int32(of)}}},
				})
			}
			parts[len(parts)-1] = append(parts[len(parts)-1], field)
		}
		var a assembler
		for i, part := range parts {
			raw, err := bson.Marshal(part)
			if err != nil {
				t.Fatal(err)
			}
			e, whole, err := a.add(raw)
			if err != nil || whole != (i == of-1) {
				t.Fatalf("part %d of %d: whole %v, %v", i+1, of, whole, err)
			}
			if !whole {
				continue
			}
			doc, _ := bson.Marshal(fields[4].Value)
			if e.operation != "update" || e.namespace != "d.c" || e.time != 7<<32|8 || !bytes.Equal(e.document, doc) || e.id.StringValue() != "x" {
				t.Fatalf("%+v", e)
			}
			if token, _ := e.token.Lookup("_data").StringValueOK(); len(token) != of {
				t.Fatalf("token %s is not the last part's", e.token)
			}
		}
		if a.pending() {
			t.Fatal("something is left")
		}
	})
}

func TestPlaceRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := place{time: rapid.Uint64().Draw(t, "time")}
		if rapid.Bool().Draw(t, "token") {
			p.token = bson.Raw{5, 0, 0, 0, 0}
		}
		if rapid.Bool().Draw(t, "snapshot") {
			p.begin(time.UnixMicro(rapid.Int64Range(0, 1<<50).Draw(t, "since")))
			p.began, p.documents = rapid.Uint64().Draw(t, "began"), rapid.Int64().Draw(t, "documents")
			if rapid.Bool().Draw(t, "last") {
				p.last = value(t, drawID(t, "id"))
			}
		}
		position := p.position("d.c")
		back, err := recall(position.GetCollection(), position.GetResumeToken())
		if err != nil {
			t.Fatal(err)
		}
		if back.time != p.time || !bytes.Equal(back.token, p.token) || back.snapshot != p.snapshot || back.began != p.began ||
			!back.since.Equal(p.since) || back.documents != p.documents || back.last.Type != p.last.Type || !bytes.Equal(back.last.Value, p.last.Value) {
			t.Fatalf("%+v came back as %+v", p, back)
		}
	})
	if _, err := recall(&proto.CollectionPosition{Snapshot: &proto.SnapshotPosition{LastId: []byte{5, 0, 0, 0, 0}}}, nil); err == nil {
		t.Error("a last _id without an _id was taken")
	}
}

func TestTokenTime(t *testing.T) {
	token := func(data any) bson.Raw {
		raw, err := bson.Marshal(bson.D{{Key: "_data", Value: data}})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for data, want := range map[any]uint64{
		"8265A1B2C3000000072B0229296E04": 0x65a1b2c3<<32 | 7, "82": 0, "": 0, "2c00000010730005000000": 0, "82zzzzzzzzzzzzzzzz": 0, 5: 0,
	} {
		if got := tokenTime(token(data)); got != want {
			t.Errorf("%v: %x, want %x", data, got, want)
		}
	}
	if tokenTime(nil) != 0 {
		t.Error("no token has a time")
	}
}

// TestTooLarge: what the stream does not take is set aside, with its namespace, key and size.
func TestTooLarge(t *testing.T) {
	c := encoder{lane: "mongo", namespace: "d.c", maxMessage: 100, counters: new(Counters)}
	doc, err := bson.Marshal(bson.D{{Key: "_id", Value: "big"}, {Key: "text", Value: strings.Repeat("x", 200_000)}})
	if err != nil {
		t.Fatal(err)
	}
	got := c.entry(&item{document: doc}, time.Now())
	l := got.letter
	if l == nil || got.change.Data != nil || l.Reason != proto.ReasonTooLarge || l.Namespace != "d.c" || l.ID != `"big"` || l.Size != int64(len(doc)) || !l.Truncated {
		t.Errorf("%+v", l)
	}
}
