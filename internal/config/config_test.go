package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"claude-analytics/internal/config"

	"pgregory.net/rapid"
)

func TestDefaultsAreValid(t *testing.T) {
	loaded, err := config.Load(config.Input{})
	if err != nil {
		t.Fatal(err)
	}
	if loaded.BatchSize != 10000 || loaded.BatchBytes != 64<<20 || loaded.BatchLinger != 100*time.Millisecond {
		t.Errorf("batch settings: %+v", loaded.Config)
	}
	if time.Duration(loaded.StreamMaxAge) != 30*24*time.Hour || loaded.StreamMaxBytes != 20<<30 {
		t.Errorf("retention: %v %v", loaded.StreamMaxAge, loaded.StreamMaxBytes)
	}
	if loaded.DuckDBThreads < 1 || loaded.DuckDBThreads > 4 {
		t.Errorf("threads: %d", loaded.DuckDBThreads)
	}
	if loaded.WarehousePath() != filepath.Join("data", "analytics.duckdb") {
		t.Errorf("warehouse: %s", loaded.WarehousePath())
	}
	if strings.HasPrefix(loaded.TranscriptsDir[0], "~") {
		t.Errorf("home not filled in: %s", loaded.TranscriptsDir[0])
	}
}

func TestPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(file, []byte("BATCH_SIZE=1\nREPORT_TZ=Europe/Berlin\nLOG_LEVEL=warn\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := config.Load(config.Input{
		File:    file,
		Environ: []string{"BATCH_SIZE=2", "LOG_LEVEL=error"},
		Flags:   map[string]string{"BATCH_SIZE": "3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]config.Origin{
		"BATCH_SIZE": config.FromFlag, "LOG_LEVEL": config.FromEnvironment,
		"REPORT_TZ": config.FromFile, "HTTP_ADDR": config.FromDefault,
	}
	for name, origin := range want {
		if loaded.Origins[name] != origin {
			t.Errorf("%s from %s, want %s", name, loaded.Origins[name], origin)
		}
	}
	if loaded.BatchSize != 3 || loaded.LogLevel != "error" || loaded.ReportTZ != "Europe/Berlin" {
		t.Errorf("values: %+v", loaded.Config)
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := config.Load(config.Input{Environ: []string{
		"BATCH_SIZE=none", "BATCH_BYTES=12parsecs", "LOG_LEVEL=loud", "ON_DELETE=maybe", "STREAM_MAX_AGE=-1d", "HTTP_TOKEN=secret",
		"STORE_RAW=perhaps", "REFRESH_INTERVAL=soon", "TRANSCRIPTS_DIR=,", "REPORT_TZ=Mars/Olympus",
	}})
	if !errors.Is(err, config.ErrInvalid) {
		t.Fatalf("error %v", err)
	}
	for _, name := range []string{"BATCH_SIZE", "BATCH_BYTES", "LOG_LEVEL", "ON_DELETE", "STREAM_MAX_AGE", "STORE_RAW", "REFRESH_INTERVAL", "TRANSCRIPTS_DIR", "REPORT_TZ"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("fault of %s is not reported in %v", name, err)
		}
	}
}

func TestFaultsBetweenValues(t *testing.T) {
	_, err := config.Load(config.Input{Environ: []string{
		"REPORT_TZ=Mars/Olympus", "FULL_REFRESH_CRON=often", "HTTP_ADDR=8080", "NATS_URL=http://u:hunter2@x", "MONGO_URI=postgres://u:hunter2@x",
		"REFRESH_DEBOUNCE=2s", "REFRESH_MAX_WAIT=1s",
	}})
	for _, name := range []string{"REPORT_TZ", "FULL_REFRESH_CRON", "HTTP_ADDR", "NATS_URL", "MONGO_URI", "REFRESH_MAX_WAIT"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("fault of %s is not reported in %v", name, err)
		}
	}
	if err != nil && strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error shows a password: %v", err)
	}
}

func TestSecretsAreMasked(t *testing.T) {
	loaded, err := config.Load(config.Input{Environ: []string{
		"MONGO_URI=mongodb://reader:hunter2@db1:27017,db2:27017/?replicaSet=rs0", "HTTP_TOKEN=hunter2",
		"NATS_URL=nats://hunter2@bus:4222,nats://u:hunter2@other:4222",
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range loaded.Entries() {
		if strings.Contains(entry.Value, "hunter2") {
			t.Errorf("%s shows its secret: %s", entry.Name, entry.Value)
		}
	}
}

func TestNearMissIsNamed(t *testing.T) {
	loaded, err := config.Load(config.Input{Environ: []string{"BATCHSIZE=5", "MONGODB_URI=mongodb://x", "PATH=/bin"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(loaded.Warnings) != 1 || !strings.Contains(loaded.Warnings[0], "BATCH_SIZE") {
		t.Errorf("warnings: %q", loaded.Warnings)
	}
}

func TestMissingRequiredFile(t *testing.T) {
	if _, err := config.Load(config.Input{File: filepath.Join(t.TempDir(), "none"), FileRequired: true}); err == nil {
		t.Error("no error for a settings file that is not there")
	}
}

func TestUnitsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := config.Bytes(rapid.Int64Range(0, 1<<50).Draw(t, "size"))
		if got, err := config.ParseBytes(size.String()); err != nil || got != int64(size) {
			t.Fatalf("%d → %s → %d, %v", size, size, got, err)
		}
		days := config.Days(time.Duration(rapid.Int64Range(0, 1000).Draw(t, "hours")) * time.Hour)
		if got, err := config.ParseDays(days.String()); err != nil || got != time.Duration(days) {
			t.Fatalf("%d → %s → %d, %v", days, days, got, err)
		}
	})
}

// TestSecretsOfAnAddress: commas in a password, and options that hold secrets, are hidden in what is shown and in errors.
func TestSecretsOfAnAddress(t *testing.T) {
	for _, uri := range []string{
		"mongodb://bob:hun,ter2@h1,h2/?replicaSet=rs0",
		"mongodb://h1/?tls=true&tlsCertificateKeyFilePassword=hunter2",
		"mongodb://bob@h1/?authMechanism=MONGODB-AWS&authMechanismProperties=AWS_SESSION_TOKEN:hunter2",
		"mongodb://bob:hun%zzter2@h1/",
		"mongodb://bob:hun/ter2@h1:bad/",
		"mongodb://bob:hunter2@h1:99999999/",
	} {
		shown := ""
		loaded, err := config.Load(config.Input{Environ: []string{"MONGO_URI=" + uri}})
		if err != nil {
			shown = err.Error()
		}
		for _, entry := range loaded.Entries() {
			shown += entry.Value
		}
		if strings.Contains(shown, "ter2") {
			t.Errorf("%s: %s", uri, shown)
		}
	}
}

func TestValuesThatCannotBeMeant(t *testing.T) {
	for _, set := range []string{
		"DUCKDB_MEMORY_LIMIT=lots", "DUCKDB_MEMORY_LIMIT=512", "DUCKDB_MEMORY_LIMIT=0MB", "DUCKDB_MEMORY_LIMIT=-1GB",
		"MONGO_URI=mongodb://", "MONGO_URI=mongodb://h1:port/", "MONGO_URI=mongodb://u:p%zz@h1/", "MONGO_URI=mongodb://h1/?w=-7",
	} {
		name, _, _ := strings.Cut(set, "=")
		if _, err := config.Load(config.Input{Environ: []string{set}}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", set, err)
		}
	}
	for _, set := range []string{"DUCKDB_MEMORY_LIMIT=2GB", "DUCKDB_MEMORY_LIMIT=1.5 GiB", "DUCKDB_MEMORY_LIMIT=700mb", "DUCKDB_MEMORY_LIMIT=20%", "MONGO_URI=mongodb+srv://u:p@db.invalid/"} {
		if _, err := config.Load(config.Input{Environ: []string{set}}); err != nil {
			t.Errorf("%s: %v", set, err)
		}
	}
}

// TestBadSettingsFile: the line is named, its text is not shown.
func TestBadSettingsFile(t *testing.T) {
	for text, line := range map[string]string{
		"NOT A LINE\nHTTP_TOKEN=\"hunter2\"\n":                              "line 1:",
		"BATCH_SIZE=5\n\n# HTTP_TOKEN\nHTTP TOK-EN hunter2\nLOG_LEVEL=info": "line 4:",
		"LOG_LEVEL=info\nHTTP_TOKEN=\"hunter2\nBATCH_SIZE=5\n":              "line 2:",
		"LOG_LEVEL=\"in\nfo\"\nHTTP_TOKEN='hunter2":                         "line 3:",
	} {
		file := filepath.Join(t.TempDir(), "env")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(config.Input{File: file, FileRequired: true})
		if err == nil || !strings.Contains(err.Error(), line) || !strings.Contains(err.Error(), file) {
			t.Errorf("%q: %v, want %s", text, err, line)
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "NOT")) {
			t.Errorf("%q: shows the text: %v", text, err)
		}
	}
}

func TestUnknownNamesOnTheCommandLine(t *testing.T) {
	for name, hint := range map[string]string{"BATCH_SIZ": "BATCH_SIZE", "batch_size": "BATCH_SIZE", "FOO": "config"} {
		_, err := config.Load(config.Input{Flags: map[string]string{name: "5"}})
		if !errors.Is(err, config.ErrInvalid) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), hint) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
