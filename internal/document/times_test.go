package document

import (
	"math"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

// valueOf is the BSON value of a Go value.
func valueOf(tb testing.TB, v any) value {
	tb.Helper()
	kind, data, err := bson.MarshalValue(v)
	if err != nil {
		tb.Fatal(err)
	}
	return value{byte(kind), string(data)}
}

func TestTimestamp(t *testing.T) {
	decimal := func(s string) bson.Decimal128 {
		d, err := bson.ParseDecimal128(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, c := range []struct {
		in   any
		want string // "" is not readable, "-" is not there
	}{
		{bson.Null{}, "-"},
		{bson.Undefined{}, "-"},
		{bson.DateTime(1700000000123), "2023-11-14T22:13:20.123000Z"},
		{bson.DateTime(-1), "1969-12-31T23:59:59.999000Z"},
		{bson.DateTime(math.MaxInt64), ""}, // year 292278994
		{bson.DateTime(math.MinInt64), ""},
		{bson.DateTime(253402300800000), ""}, // year 10000
		{bson.DateTime(253402300799999), "9999-12-31T23:59:59.999000Z"},
		{bson.Timestamp{T: 1700000000, I: 7}, "2023-11-14T22:13:20.000000Z"},
		{int32(1700000000), "2023-11-14T22:13:20.000000Z"},
		{int64(1700000000), "2023-11-14T22:13:20.000000Z"},
		{int64(1700000000123), "2023-11-14T22:13:20.123000Z"},
		{int64(-1700000000123), "1916-02-18T01:46:39.877000Z"},
		{int64(math.MaxInt64), ""},
		{int64(math.MinInt64), ""},
		{1700000000.5, "2023-11-14T22:13:20.500000Z"},
		{1700000000123.25, "2023-11-14T22:13:20.123250Z"},
		{math.NaN(), ""},
		{math.Inf(1), ""},
		{1e300, ""},
		{decimal("1700000000123"), "2023-11-14T22:13:20.123000Z"},
		{decimal("NaN"), ""},
		{decimal("1E+6000"), ""},
		{0, "1970-01-01T00:00:00.000000Z"},
		{"1700000000123", "2023-11-14T22:13:20.123000Z"},
		{"1700000000.5", "2023-11-14T22:13:20.500000Z"},
		{"2026-02-12T16:03:36.644Z", "2026-02-12T16:03:36.644000Z"},
		{"2026-02-12T16:03:36.6449999Z", "2026-02-12T16:03:36.644999Z"},
		{"2026-02-12t16:03:36,5z", "2026-02-12T16:03:36.500000Z"},
		{"2026-02-12T16:03:36", "2026-02-12T16:03:36.000000Z"},
		{"2026-02-12 16:03", "2026-02-12T16:03:00.000000Z"},
		{"2026-02-12", "2026-02-12T00:00:00.000000Z"},
		{"2026-02-12T16:03:36+02:00", "2026-02-12T14:03:36.000000Z"},
		{"2026-02-12T16:03:36.5-0530", "2026-02-12T21:33:36.500000Z"},
		{"2026-02-12 16:03:36 +02", "2026-02-12T14:03:36.000000Z"},
		{"2026-02-12 16:03:36 UTC", "2026-02-12T16:03:36.000000Z"},
		{"2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z"},
		{"2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000Z"},
		{"0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"},
		{"0001-01-01T00:00:00+01:00", ""},
		{"9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"},
		{"0000-06-01T00:00:00Z", ""},
		{"2026-02-29", ""},
		{"2026-13-01", ""},
		{"2026-02-12T24:00:00Z", ""},
		{"2026-02-12T16:03:36.Z", ""},
		{"2026-02-12T16:03:36 ", ""},
		{"2026-02-12T16:03:36X", ""},
		{"2026-02-12T16:03:36+2", ""},
		{"2026-02-12T16", ""},
		{"20260212", ""},
		{"2026", ""},
		{"0x1234567p0", ""},
		{"+infinity", ""},
		{"yesterday", ""},
		{"", ""},
		{true, ""},
		{bson.D{}, ""},
	} {
		got := ""
		switch at, there, ok := timestamp(valueOf(t, c.in)); {
		case !there:
			got = "-"
		case ok:
			got = at.Time().Format("2006-01-02T15:04:05.000000Z")
		}
		if got != c.want {
			t.Errorf("%T %v: %q, want %q", c.in, c.in, got, c.want)
		}
	}
}

// What Go writes as RFC 3339 is read back as the same moment, in any zone; and so are its milliseconds as a BSON date.
func TestTimestampReadsBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		micros := rapid.Int64Range(int64(minTimestamp)+microsPerDay, int64(maxTimestamp)-microsPerDay).Draw(rt, "micros")
		zone := time.FixedZone("", rapid.IntRange(-14*60, 14*60).Draw(rt, "minutes")*60)
		text := time.UnixMicro(micros).In(zone).Format(time.RFC3339Nano)
		if got, _, ok := timestamp(valueOf(t, text)); !ok || int64(got) != micros {
			rt.Fatalf("%s: %v %v, want %d", text, got, ok, micros)
		}
		date := bson.NewDateTimeFromTime(time.UnixMicro(micros))
		if got, _, ok := timestamp(valueOf(t, date)); !ok || got.Time() != date.Time().UTC() {
			rt.Fatalf("%v: %v %v", date, got.Time(), ok)
		}
		want := time.UnixMicro(micros).UTC()
		if got := Timestamp(micros).Date().String(); got != want.Format(time.DateOnly) {
			rt.Fatalf("%v: date %s", want, got)
		}
	})
}

func TestDecimal(t *testing.T) {
	for in, want := range map[Decimal]string{0: "0.000000000", 1: "0.000000001", -1500000000: "-1.500000000", math.MinInt64: "-9223372036.854775808"} {
		got, err := in.MarshalJSON()
		if err != nil || string(got) != want {
			t.Errorf("%d: %s, %v, want %s", int64(in), got, err, want)
		}
	}
}
