package document

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Readable moments: the years 1 to 9999. DuckDB could hold more, but ISO 8601 text, the lake's date folders and most
// readers of Parquet could not, and one stray date would stretch every calendar in the marts.
const (
	minTimestamp Timestamp = -62135596800 * 1_000_000
	maxTimestamp Timestamp = 253402300800*1_000_000 - 1
)

// epochMillisFrom is the absolute value from which a number counts milliseconds, not seconds: as seconds it would lie
// beyond the year 5138, as milliseconds it is 1973.
const epochMillisFrom = 1e11

// timestamp reads a moment in any of the shapes that documents have: BSON date or timestamp, ISO text with or without
// offset (without: UTC), epoch seconds or milliseconds as any number type or as text. there is false for a field that
// is absent or null; ok is false for one that cannot be read.
func timestamp(v value) (t Timestamp, there, ok bool) {
	if v.isNull() {
		return 0, false, false
	}
	t, ok = moment(v)
	return t, true, ok && t >= minTimestamp && t <= maxTimestamp
}

func moment(v value) (Timestamp, bool) {
	switch v.kind {
	case typeDate:
		return millis(int64(le64(v.data)))
	case typeTimestamp:
		return Timestamp(le64(v.data)>>32) * 1_000_000, true
	case typeInt32, typeInt64:
		n, _ := v.integer()
		if n > -epochMillisFrom && n < epochMillisFrom {
			return Timestamp(n * 1_000_000), true
		}
		return millis(n)
	case typeDouble, typeDecimal:
		f, ok := v.float()
		return epoch(f, ok)
	case typeString, typeSymbol:
		s := v.str()
		if t, ok := parseISO(s); ok {
			return t, true
		}
		if len(s) < 9 || strings.Trim(s, "0123456789.-") != "" { // a year or a bare day is no epoch
			return 0, false
		}
		f, err := strconv.ParseFloat(s, 64)
		return epoch(f, err == nil)
	}
	return 0, false
}

func millis(n int64) (Timestamp, bool) {
	if n > math.MaxInt64/1000 || n < math.MinInt64/1000 {
		return 0, false
	}
	return Timestamp(n * 1000), true
}

// epoch reads seconds or milliseconds, rounded to microseconds.
func epoch(f float64, ok bool) (Timestamp, bool) {
	if math.Abs(f) < epochMillisFrom {
		f *= 1e6
	} else {
		f *= 1e3
	}
	if !ok || math.IsNaN(f) || math.Abs(f) > math.MaxInt64/2 {
		return 0, false
	}
	return Timestamp(math.Round(f)), true
}

// parseISO reads YYYY-MM-DD, then optionally T or a space, hh:mm, :ss, a fraction after '.' or ',' (cut to
// microseconds), and Z, ±hh, ±hhmm or ±hh:mm.
func parseISO(s string) (Timestamp, bool) {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return 0, false
	}
	year, ok1 := digits(s[:4])
	month, ok2 := digits(s[5:7])
	day, ok3 := digits(s[8:10])
	if !ok1 || !ok2 || !ok3 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return 0, false
	}
	t := Timestamp(daysSince1970(year, month, day)) * microsPerDay
	if len(s) == 10 {
		return t, true
	}
	if c := s[10]; c != 'T' && c != 't' && c != ' ' {
		return 0, false
	}
	clock, rest, ok := parseClock(s[11:])
	if !ok {
		return 0, false
	}
	offset, ok := parseOffset(rest)
	return t + clock - offset, ok
}

// parseClock reads hh:mm, hh:mm:ss or hh:mm:ss.f and returns what follows it. A leap second counts as the next one.
func parseClock(s string) (t Timestamp, rest string, ok bool) {
	if len(s) < 5 || s[2] != ':' {
		return 0, "", false
	}
	hour, ok1 := digits(s[:2])
	minute, ok2 := digits(s[3:5])
	if !ok1 || !ok2 || hour > 23 || minute > 59 {
		return 0, "", false
	}
	t = Timestamp(hour*3600+minute*60) * 1_000_000
	s = s[5:]
	if len(s) == 0 || s[0] != ':' {
		return t, s, true
	}
	if len(s) < 3 {
		return 0, "", false
	}
	second, ok := digits(s[1:3])
	if !ok || second > 60 {
		return 0, "", false
	}
	t += Timestamp(second) * 1_000_000
	s = s[3:]
	if len(s) == 0 || s[0] != '.' && s[0] != ',' {
		return t, s, true
	}
	unit, i := Timestamp(100_000), 1
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		t += Timestamp(s[i]-'0') * unit
		unit /= 10
	}
	return t, s[i:], i > 1
}

func parseOffset(s string) (Timestamp, bool) {
	if s == "" || s == "Z" || s == "z" {
		return 0, true
	}
	if s[0] == ' ' && len(s) > 1 {
		s = s[1:]
	}
	sign := Timestamp(1)
	switch s[0] {
	case '-':
		sign = -1
	case '+':
	default:
		return 0, s == "Z" || s == "UTC"
	}
	s = s[1:]
	minutes := ""
	switch {
	case len(s) == 5 && s[2] == ':':
		minutes = s[3:]
	case len(s) == 4:
		minutes = s[2:]
	case len(s) != 2:
		return 0, false
	}
	hour, ok1 := digits(s[:2])
	minute, ok2 := digits(minutes)
	if !ok1 || !ok2 && minutes != "" || hour > 23 || minute > 59 {
		return 0, false
	}
	return sign * Timestamp(hour*3600+minute*60) * 1_000_000, true
}

// digits reads a number of nothing but digits; an empty text is none.
func digits(s string) (n int, ok bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, len(s) > 0
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func daysSince1970(year, month, day int) int64 {
	return time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Unix() / 86400
}
