package main

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"claude-analytics/internal/config"
	"claude-analytics/internal/stream"
)

// settingsOf loads settings as the program would, without the machine's.
func settingsOf(t *testing.T, environ ...string) config.Loaded {
	t.Helper()
	cfg, err := config.Load(config.Input{Environ: append([]string{"DATA_DIR=" + t.TempDir(), "HTTP_ADDR=127.0.0.1:0"}, environ...)})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// severities is what findings come to, by id; the worst of several.
func severities(findings ...finding) map[string]string {
	worst := map[string]string{}
	rank := map[string]int{severityOK: 1, severityWarning: 2, severityError: 3}
	for _, f := range findings {
		f = f.complete()
		if rank[f.Severity] > rank[worst[f.ID]] {
			worst[f.ID] = f.Severity
		}
	}
	return worst
}

// expect also sees that whoever reads it knows what to do.
func expect(t *testing.T, what, id, severity string, findings ...finding) {
	t.Helper()
	if got := severities(findings...)[id]; got != severity {
		t.Errorf("%s: %s is %q, want %q: %+v", what, id, got, severity, findings)
	}
	for _, f := range findings {
		if f = f.complete(); f.Detail == "" || (f.Remedy == "") != (f.Severity == severityOK) {
			t.Errorf("%s: %+v", what, f)
		}
	}
}

func TestDoctorSettings(t *testing.T) {
	for _, tt := range []struct {
		environ      string
		id, severity string
	}{
		{"LOG_LEVEL=info", "settings", ""},
		{"BATCH_SIZ=7", "settings", severityError},
		{"STREAM_MAX_AGE=0 STREAM_MAX_BYTES=0", "settings", severityWarning},
		{"STREAM_MAX_AGE=0", "settings", ""},
		{"REFRESH_INTERVAL=0 FULL_REFRESH_CRON=", "settings", severityWarning},
		{"HISTORY_LOST=reset", "settings", severityWarning},
		{"RAW_INDEXES=on", "settings", severityWarning},
		{"ON_DELETE=keep", "settings", severityWarning},
		{"ON_DELETE=keep MONGO_URI=mongodb://h/", "settings", ""},
		{"HTTP_ADDR=127.0.0.1:0", "http-exposed", ""},
		{"HTTP_ADDR=[::1]:0", "http-exposed", ""},
		{"HTTP_ADDR=localhost:0", "http-exposed", ""},
		{"HTTP_ADDR=:0 HTTP_TOKEN=x", "http-exposed", ""},
	} {
		t.Run(tt.environ, func(t *testing.T) {
			expect(t, tt.environ, tt.id, tt.severity, checkSettings(settingsOf(t, strings.Fields(tt.environ)...))...)
		})
	}
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "10.0.0.7:80"} {
		if got := severities(checkSettings(settingsOf(t, "HTTP_ADDR="+addr))...)["http-exposed"]; got != severityError && !inContainer() || got == "" {
			t.Errorf("%s without a token is %q", addr, got)
		}
	}
	expect(t, "a zone", "time-zone", severityOK, checkTimeZone(settingsOf(t, "REPORT_TZ=Europe/Berlin")))
	expect(t, "no zone", "time-zone", severityWarning, checkTimeZone(settingsOf(t, "REPORT_TZ=Local")))
}

func TestDoctorEnvFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), ".env")
	for _, tt := range []struct {
		text     string
		mode     os.FileMode
		severity string
	}{
		{"HTTP_TOKEN=x", 0o644, severityWarning},
		{"HTTP_TOKEN=x", 0o600, ""},
		{"BATCH_SIZE=1", 0o644, ""},
	} {
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, tt.mode); err != nil {
			t.Fatal(err)
		}
		expect(t, tt.text+" "+tt.mode.String(), "env-file", tt.severity, checkEnvFile(file)...)
	}
	expect(t, "no file", "env-file", "", checkEnvFile(file+"x")...)
}

func TestDoctorDisk(t *testing.T) {
	cfg := settingsOf(t)
	found := disks(cfg)
	if len(found) != 1 || len(found[0].uses) < 2 {
		t.Fatalf("disks %+v", found)
	}
	d := found[0]
	d.stat.Bsize = 1 << 10
	space := func(free uint64) finding {
		d.stat.Bavail = free >> 10
		return checkSpace(cfg, d)
	}
	d.uses = append(d.uses, cfg.StreamDir())
	expect(t, "nearly full", "disk-space", severityError, space(1<<30))
	expect(t, "the stream outgrows it", "disk-space", severityWarning, space(5<<30))
	expect(t, "room", "disk-space", severityOK, space(50<<30))
	for kind := range fileSystems {
		d.stat.Type = kind
		expect(t, fileSystems[kind].name, "disk-kind", severityWarning, checkFileSystem(d))
	}
	d.stat.Type = 0xef53
	expect(t, "ext4", "disk-kind", severityOK, checkFileSystem(d))

	expect(t, "nothing is left over", "leftover-files", "", checkLeftovers(cfg, false)...)
	old := filepath.Join(cfg.LakeDir(), "date=2026-11-01", "1-000000000001-000000000002.parquet.tmp")
	for _, path := range []string{old, cfg.LockPath(), cfg.WarehousePath() + ".spill-1/spill"} {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := severities(checkLeftovers(cfg, true)...); len(got) != 0 {
		t.Errorf("what a running service writes is no leftover: %v", got)
	}
	if err := os.Chtimes(old, time.Time{}, time.Now().Add(-2*oldLeftover)); err != nil {
		t.Fatal(err)
	}
	findings := checkLeftovers(cfg, false)
	expect(t, "a temporary file", "leftover-files", severityWarning, findings...)
	expect(t, "a lock", "stale-lock", severityWarning, findings...)
	if len(findings) != 3 {
		t.Errorf("%+v", findings)
	}
	expect(t, "one file system", "disk-rename", "", checkRenames(cfg)...)
}

func TestDoctorFolders(t *testing.T) {
	cfg := settingsOf(t)
	expect(t, "a folder", "data-folder", severityOK, checkFolder("data folder", cfg.DataDir))
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, "a file in its place", "data-folder", severityError, checkFolder("data folder", filepath.Join(file, "data")))
	expect(t, "a folder that was named and is not there", "transcripts", severityError,
		checkTranscripts(settingsOf(t, "TRANSCRIPTS_DIR="+file+"x"), file+"x"))
	manifest := filepath.Join(cfg.LakeDir(), "_manifest")
	if err := os.MkdirAll(manifest, 0o750); err != nil {
		t.Fatal(err)
	}
	for text, severity := range map[string]string{`{"version":1}`: severityOK, `{"version":99}`: severityError, `{`: severityError} {
		if err := os.WriteFile(filepath.Join(manifest, "epochs.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		expect(t, text, "lake", severity, checkLakeFormat(cfg))
	}
}

func TestDoctorMachine(t *testing.T) {
	group := filepath.Join(t.TempDir(), "memory.max")
	memory := func(limit, duck string) finding {
		if err := os.WriteFile(group, []byte(limit+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return checkMemory(settingsOf(t, "DUCKDB_MEMORY_LIMIT="+duck), []string{group})
	}
	expect(t, "more than there is", "memory", severityError, memory(strconv.Itoa(1<<30), "2GB"))
	expect(t, "all of it", "memory", severityError, memory(strconv.Itoa(1<<30), "100%"))
	expect(t, "tight", "memory", severityWarning, memory(strconv.Itoa(3<<29), "1GiB"))
	expect(t, "enough", "memory", severityOK, memory("max", "64MiB"))
	expect(t, "a unit that is not known here", "memory", severityWarning, memory("max", "2G"))
	for skew, severity := range map[time.Duration]string{
		0: severityOK, -time.Second: severityOK, 5 * time.Second: severityWarning, -2 * time.Minute: severityError,
	} {
		expect(t, skew.String(), "clock", severity, skewFinding("it", skew, 10*time.Millisecond))
	}
	if f := skewFinding("it", 3*time.Second, 4*time.Second); f.complete().Severity != severityOK {
		t.Errorf("what the question itself may explain is no skew: %+v", f)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	taken := checkPort(settingsOf(t, "HTTP_ADDR="+listener.Addr().String()))
	expect(t, "a port that is taken", "http-port", severityError, taken)
	if who := holderOf(port); !strings.Contains(who, strconv.Itoa(os.Getpid())) || !strings.Contains(taken.Detail, who) {
		t.Errorf("port %d is said to be of %q: %s", port, who, taken.Detail)
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		expect(t, "files", "open-files", map[bool]string{true: severityOK, false: severityError}[limit.Cur >= leastOpenFiles], checkOpenFiles())
	}
}

func TestDoctorServers(t *testing.T) {
	for _, tt := range []struct {
		lag, window time.Duration
		severity    string
	}{
		{time.Minute, 0, severityOK},
		{time.Hour, 24 * time.Hour, severityOK},
		{7 * time.Hour, 24 * time.Hour, severityWarning},
		{20 * time.Hour, 24 * time.Hour, severityError},
		{-time.Second, time.Hour, severityOK},
	} {
		expect(t, tt.lag.String(), "oplog-window", tt.severity, checkWindow("db.c", tt.lag, tt.window))
	}
	cfg := settingsOf(t, "NATS_URL=nats://h:4222")
	for name, tt := range map[string]struct {
		facts    stream.Facts
		severity string
	}{
		"no limits":       {stream.Facts{}, ""},
		"wide":            {stream.Facts{MaxStore: 100 << 30}, severityOK},
		"narrow":          {stream.Facts{MaxStore: 10 << 30}, severityWarning},
		"nearly full":     {stream.Facts{MaxStore: 100 << 30, Used: 95 << 30}, severityError},
		"too few streams": {stream.Facts{MaxStreams: 3, Streams: 2}, severityError},
		"few consumers":   {stream.Facts{MaxConsumer: 2}, severityError},
	} {
		expect(t, name, "nats-limits", tt.severity, checkAccount(cfg, tt.facts, false)...)
	}
	expect(t, "small messages", "nats-payload", severityWarning, checkPayload(stream.Facts{MaxPayload: 1 << 20}))
	expect(t, "large messages", "nats-payload", severityOK, checkPayload(stream.Facts{MaxPayload: 32 << 20}))
	expect(t, "again and again", "nats-consumers", severityWarning, checkConsumers(stream.Facts{Consumers: []stream.ConsumerFacts{{Name: "lake", Redelivered: 3}}})...)
}
