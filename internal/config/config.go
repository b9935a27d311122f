// Package config holds every setting of the program in one struct: its name, default, unit and limits in one place.
// Values come from flags, the environment and an .env file, in that order of precedence.
package config

import (
	"path/filepath"
	"time"
)

// Bytes is a size in bytes; it is written with a unit: 64MiB, 20GiB, 512KB.
type Bytes int64

// Days is a duration that may also be written in days: 30d, 12h.
type Days time.Duration

// Config is the whole of the settings. The tags are read by Load: env is the name, default the value without any
// setting, enum the allowed values, secret hides the value, min the smallest one allowed.
type Config struct {
	MongoURI        string   `env:"MONGO_URI" default:"mongodb://localhost:27017" secret:"userinfo" help:"MongoDB replica set to follow"`
	MongoDB         string   `env:"MONGO_DB" default:"claude_logs" help:"database"`
	MongoCollection []string `env:"MONGO_COLLECTION" default:"conversations" help:"collections, comma-separated"`
	TranscriptsDir  []string `env:"TRANSCRIPTS_DIR" default:"~/.claude/projects" help:"transcript folders, comma-separated"`
	Source          string   `env:"SOURCE_NAME" default:"" help:"name of this process's lane; empty: the host's name"`

	NATSURL   string `env:"NATS_URL" default:"" secret:"userinfo" help:"NATS server; empty: embedded"`
	NATSCreds string `env:"NATS_CREDS" default:"" help:"NATS credentials file"`

	DataDir           string `env:"DATA_DIR" default:"./data" help:"folder for the lake, the warehouse and the embedded stream"`
	DuckDBPath        string `env:"DUCKDB_PATH" default:"" help:"warehouse file; empty: analytics.duckdb in DATA_DIR"`
	DuckDBThreads     int    `env:"DUCKDB_THREADS" default:"0" min:"0" help:"0: the cores, at most 4 (dev) or 8 (prod)"`
	DuckDBMemoryLimit string `env:"DUCKDB_MEMORY_LIMIT" default:"" help:"for example 2GB; empty: a quarter of the memory, at most 512MiB"`

	BatchSize       int           `env:"BATCH_SIZE" default:"10000" min:"1" help:"rows in a micro-batch at most"`
	BatchLinger     time.Duration `env:"BATCH_LINGER" default:"100ms" min:"0" help:"longest wait for a micro-batch to fill"`
	BatchBytes      Bytes         `env:"BATCH_BYTES" default:"64MiB" min:"1" help:"bytes in a micro-batch at most"`
	RefreshDebounce time.Duration `env:"REFRESH_DEBOUNCE" default:"100ms" min:"0" help:"quiet time before the models are refreshed; a fifth of it for a change that comes alone"`
	RefreshMaxWait  time.Duration `env:"REFRESH_MAX_WAIT" default:"250ms" min:"0" help:"longest wait after the first change"`
	RefreshInterval time.Duration `env:"REFRESH_INTERVAL" default:"1h" min:"0" help:"refresh even without a change; 0: never"`
	FullRefreshCron string        `env:"FULL_REFRESH_CRON" default:"0 2 * * *" help:"full refresh, cron in REPORT_TZ; empty: never"`
	ReportTZ        string        `env:"REPORT_TZ" default:"UTC" help:"time zone of dates and hours in the marts"`

	Prices string `env:"PRICES" default:"" help:"file with prices of your own, CSV or YAML; empty: the list that comes with the program"`

	HistoryLost string `env:"HISTORY_LOST" default:"fail" enum:"fail,resnapshot,reset" help:"what to do when a source's history is gone"`
	OnDelete    string `env:"ON_DELETE" default:"mirror" enum:"mirror,keep" help:"whether deleted documents leave the warehouse"`
	StoreRaw    bool   `env:"STORE_RAW" default:"off" help:"keep whole documents in the warehouse too"`
	RawIndexes  bool   `env:"RAW_INDEXES" default:"off" help:"key and five indexes on raw.conversations"`

	StreamMaxAge   Days  `env:"STREAM_MAX_AGE" default:"30d" min:"0" help:"age at which messages leave the stream; 0: never"`
	StreamMaxBytes Bytes `env:"STREAM_MAX_BYTES" default:"20GiB" min:"0" help:"size above which the oldest leave; 0: no limit"`

	Redact      bool   `env:"REDACT" default:"on" help:"replace secrets before anything is published"`
	RedactRules string `env:"REDACT_RULES" default:"" help:"rules of your own, in gitleaks' format; empty: the built-in ones alone"`

	DBTTarget       string        `env:"DBT_TARGET" default:"dev" enum:"dev,prod" help:"profile"`
	HTTPAddr        string        `env:"HTTP_ADDR" default:"127.0.0.1:8080" help:"address of health, metrics and dashboard; port 0: any"`
	HTTPToken       string        `env:"HTTP_TOKEN" default:"" secret:"all" help:"bearer token that HTTP requests need; empty: none"`
	LogLevel        string        `env:"LOG_LEVEL" default:"info" enum:"trace,debug,info,warn,error" help:"least severe line to log"`
	LogFormat       string        `env:"LOG_FORMAT" default:"console" enum:"console,json" help:"log lines for people or for programs"`
	ShutdownTimeout time.Duration `env:"SHUTDOWN_TIMEOUT" default:"30s" min:"1ms" help:"how long a stop may take to finish what is in hand"`
}

// WarehousePath is the DuckDB file.
func (c Config) WarehousePath() string {
	if c.DuckDBPath != "" {
		return c.DuckDBPath
	}
	return filepath.Join(c.DataDir, "analytics.duckdb")
}

// MartsPath is the published copy of the gold layer.
func (c Config) MartsPath() string { return filepath.Join(c.DataDir, "marts.duckdb") }

// CopiesDir is where the next copy is built before it takes MartsPath's place.
func (c Config) CopiesDir() string { return filepath.Join(c.DataDir, ".publish") }

// LakeDir holds the Parquet files and their manifest.
func (c Config) LakeDir() string { return filepath.Join(c.DataDir, "raw") }

// StreamDir is the embedded server's store.
func (c Config) StreamDir() string { return filepath.Join(c.DataDir, "jetstream") }

// LockPath says whether a service runs on this DATA_DIR.
func (c Config) LockPath() string { return filepath.Join(c.DataDir, "LOCK") }

// IdentityPath holds what a source must remember about itself.
func (c Config) IdentityPath() string { return filepath.Join(c.DataDir, "source.json") }

// PositionsPath is the folder in which sources keep their positions while they do not run.
func (c Config) PositionsPath() string { return filepath.Join(c.DataDir, "positions") }
