package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"claude-analytics/internal/mask"
)

// ErrInvalid is wrapped by every fault that Load finds in a value.
var ErrInvalid = errors.New("invalid setting")

// Origin says where a value came from.
type Origin string

// The places a value can come from, strongest first.
const (
	FromFlag        Origin = "flag"
	FromEnvironment Origin = "environment"
	FromFile        Origin = ".env"
	FromDefault     Origin = "default"
)

// Input is what Load reads. Environ has the form of os.Environ; Flags are by setting name; File may be missing unless
// FileRequired.
type Input struct {
	Flags        map[string]string
	Environ      []string
	File         string
	FileRequired bool
}

// Loaded is a valid Config with the origin of each value and the warnings that go with it.
type Loaded struct {
	Config
	Origins  map[string]Origin
	Warnings []string
}

// Set reports whether a setting was given at all, by whatever way.
func (l Loaded) Set(name string) bool { return l.Origins[name] != FromDefault }

// Load reads, parses and checks all settings. Its error joins every fault, so that one run shows them all; each names
// the setting, where the value came from, and what would be right.
func Load(in Input) (Loaded, error) {
	environ := environMap(in.Environ)
	file, err := readFile(in)
	if err != nil {
		return Loaded{}, err
	}
	out := Loaded{Origins: map[string]Origin{}}
	var faults []error
	v := reflect.ValueOf(&out.Config).Elem()
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name := field.Tag.Get("env")
		text, origin := field.Tag.Get("default"), FromDefault
		if value, ok := file[name]; ok {
			text, origin = value, FromFile
		}
		if value, ok := environ[name]; ok {
			text, origin = value, FromEnvironment
		}
		if value, ok := in.Flags[name]; ok {
			text, origin = value, FromFlag
		}
		out.Origins[name] = origin
		if err := setField(v.Field(i), field.Tag, text); err != nil {
			shown := text
			if field.Tag.Get("secret") != "" {
				shown = "…"
			}
			faults = append(faults, fmt.Errorf("%w: %s=%q (%s): %w", ErrInvalid, name, shown, origin, err))
			// The default stands in, so that the other values can still be checked against it.
			_ = setField(v.Field(i), field.Tag, field.Tag.Get("default"))
		}
	}
	faults = append(faults, out.check()...)
	faults = append(faults, unknownFlags(in.Flags)...)
	out.Warnings = nearMisses(environ, file)
	if err := errors.Join(faults...); err != nil {
		return Loaded{}, err
	}
	out.complete()
	return out, nil
}

// complete fills in what depends on the machine or on another value.
func (c *Config) complete() {
	if c.DuckDBThreads == 0 {
		c.DuckDBThreads = min(runtime.NumCPU(), 4)
		if c.DBTTarget == "prod" {
			c.DuckDBThreads = min(runtime.NumCPU(), 8)
		}
	}
	if c.DuckDBMemoryLimit == "" {
		// DuckDB would take up to four fifths; this service shares its machine.
		limit := int64(512 << 20)
		if memory := machineMemory(); memory > 0 {
			limit = min(limit, memory/4)
		}
		c.DuckDBMemoryLimit = fmt.Sprintf("%dMiB", limit>>20)
	}
	if home, err := os.UserHomeDir(); err == nil {
		for i, dir := range c.TranscriptsDir {
			if rest, ok := strings.CutPrefix(dir, "~/"); ok {
				c.TranscriptsDir[i] = filepath.Join(home, rest)
			}
		}
	}
}

// check finds the faults that lie between values, or that a type cannot express.
func (c *Config) check() []error {
	var faults []error
	fault := func(name, value, remedy string) {
		faults = append(faults, fmt.Errorf("%w: %s=%q: %s", ErrInvalid, name, value, remedy))
	}
	if _, err := time.LoadLocation(c.ReportTZ); err != nil {
		fault("REPORT_TZ", c.ReportTZ, "unknown time zone; use a name such as UTC or Europe/Berlin")
	}
	if c.FullRefreshCron != "" {
		if _, err := cron.ParseStandard(c.FullRefreshCron); err != nil {
			fault("FULL_REFRESH_CRON", c.FullRefreshCron, "use five fields such as 0 2 * * *, or leave it empty: "+err.Error())
		}
	}
	if _, _, err := net.SplitHostPort(c.HTTPAddr); err != nil {
		fault("HTTP_ADDR", c.HTTPAddr, "use host:port such as 127.0.0.1:8080")
	}
	if c.NATSURL != "" {
		for _, one := range strings.Split(c.NATSURL, ",") {
			u, err := url.Parse(strings.TrimSpace(one))
			if err != nil || u.Host == "" || !oneOf(u.Scheme, "nats", "tls", "ws", "wss") {
				fault("NATS_URL", "…", "use nats://host:4222 (or tls://, ws://, wss://), or leave it empty for the embedded server")
			}
		}
	}
	if err := checkMongoURI(c.MongoURI); err != nil {
		fault("MONGO_URI", mask.URLs(c.MongoURI), err.Error())
	}
	if err := checkMemoryLimit(c.DuckDBMemoryLimit); err != nil {
		fault("DUCKDB_MEMORY_LIMIT", c.DuckDBMemoryLimit, err.Error())
	}
	if c.NATSCreds != "" {
		if _, err := os.Stat(c.NATSCreds); err != nil {
			fault("NATS_CREDS", c.NATSCreds, "cannot be read: "+err.Error())
		}
	}
	if c.Prices != "" {
		if _, err := os.Stat(c.Prices); err != nil {
			fault("PRICES", c.Prices, "cannot be read: "+err.Error())
		}
	}
	if c.RedactRules != "" {
		if _, err := os.Stat(c.RedactRules); err != nil {
			fault("REDACT_RULES", c.RedactRules, "cannot be read: "+err.Error())
		}
	}
	if c.DataDir == "" {
		fault("DATA_DIR", "", "name a folder")
	}
	if c.RefreshMaxWait < c.RefreshDebounce {
		fault("REFRESH_MAX_WAIT", c.RefreshMaxWait.String(), "must not be shorter than REFRESH_DEBOUNCE ("+c.RefreshDebounce.String()+")")
	}
	return faults
}

func oneOf(value string, allowed ...string) bool {
	for _, a := range allowed {
		if value == a {
			return true
		}
	}
	return false
}

func environMap(environ []string) map[string]string {
	m := make(map[string]string, len(environ))
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok {
			m[name] = value
		}
	}
	return m
}

func setField(field reflect.Value, tag reflect.StructTag, text string) error {
	text = strings.TrimSpace(text)
	if allowed := tag.Get("enum"); allowed != "" && !oneOf(strings.ToLower(text), strings.Split(allowed, ",")...) {
		return fmt.Errorf("must be one of %s", strings.ReplaceAll(allowed, ",", ", "))
	}
	var number int64
	var err error
	switch field.Interface().(type) {
	case string:
		if tag.Get("enum") != "" {
			text = strings.ToLower(text)
		}
		field.SetString(text)
		return nil
	case []string:
		var list []string
		for _, part := range strings.Split(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
		if len(list) == 0 {
			return errors.New("must name at least one")
		}
		field.Set(reflect.ValueOf(list))
		return nil
	case bool:
		on, err := parseSwitch(text)
		field.SetBool(on)
		return err
	case int:
		number, err = strconv.ParseInt(text, 10, 64)
		if err != nil {
			return errors.New("must be a whole number")
		}
	case time.Duration:
		var d time.Duration
		d, err = time.ParseDuration(text)
		number = int64(d)
		if err != nil {
			return errors.New("must be a duration such as 100ms, 30s or 1h")
		}
	case Bytes:
		number, err = ParseBytes(text)
		if err != nil {
			return err
		}
	case Days:
		var d time.Duration
		d, err = ParseDays(text)
		if err != nil {
			return err
		}
		number = int64(d)
	}
	if least := tag.Get("min"); least != "" {
		bound, err := time.ParseDuration(least)
		if err != nil {
			plain, _ := strconv.ParseInt(least, 10, 64)
			bound = time.Duration(plain)
		}
		if number < int64(bound) {
			return fmt.Errorf("must be at least %s", least)
		}
	}
	field.SetInt(number)
	return nil
}
