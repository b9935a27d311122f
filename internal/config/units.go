package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

var byteUnits = []struct {
	suffix string
	factor float64
}{
	{"kib", 1 << 10},
	{"mib", 1 << 20},
	{"gib", 1 << 30},
	{"tib", 1 << 40},
	{"kb", 1e3},
	{"mb", 1e6},
	{"gb", 1e9},
	{"tb", 1e12},
	{"b", 1},
	{"", 1},
}

// ParseBytes reads a size such as 64MiB, 20GB or 1024.
func ParseBytes(text string) (int64, error) {
	lower := strings.ToLower(strings.TrimSpace(text))
	for _, unit := range byteUnits {
		digits, ok := strings.CutSuffix(lower, unit.suffix)
		if !ok {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
		if err != nil || value < 0 || math.IsNaN(value) || value*unit.factor >= math.MaxInt64 {
			break
		}
		return int64(value * unit.factor), nil
	}
	return 0, errors.New("must be a size such as 64MiB, 20GiB or 1048576")
}

// ParseDays reads a duration that may be in days: 30d, or any of Go's: 12h.
func ParseDays(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	if digits, ok := strings.CutSuffix(text, "d"); ok {
		days, err := strconv.ParseFloat(digits, 64)
		if err == nil && days >= 0 && days < 100_000 {
			return time.Duration(days * float64(24*time.Hour)), nil
		}
		return 0, errors.New("must be a number of days such as 30d")
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, errors.New("must be a duration such as 30d or 12h")
	}
	return d, nil
}

func parseSwitch(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "on", "true", "yes", "1":
		return true, nil
	case "off", "false", "no", "0", "":
		return false, nil
	}
	return false, errors.New("must be on or off")
}

// String writes the size in the largest unit that leaves no fraction.
func (b Bytes) String() string {
	for _, unit := range []struct {
		suffix string
		factor int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if b != 0 && int64(b)%unit.factor == 0 {
			return fmt.Sprintf("%d%s", int64(b)/unit.factor, unit.suffix)
		}
	}
	return fmt.Sprintf("%dB", int64(b))
}

// String writes whole days as days.
func (d Days) String() string {
	day := Days(24 * time.Hour)
	if d != 0 && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return time.Duration(d).String()
}
