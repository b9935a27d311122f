package warehouse

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

// The test binary is also the other process of some tests.
const childVariable = "WAREHOUSE_TEST_HOLD"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == sandboxArgument {
		if err := ServeSandbox(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		return
	}
	if path := os.Getenv(childVariable); path != "" {
		hold(path)
		return
	}
	goleak.VerifyTestMain(m)
}

// hold opens the file, says so, and keeps it until standard input ends.
func hold(path string) {
	db := New(Config{Path: path}, zerolog.Nop())
	if err := db.Open(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("open")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	_ = db.Close()
}

func open(t testing.TB, cfg Config) *DB {
	t.Helper()
	if cfg.Path == "" {
		cfg.Path = filepath.Join(t.TempDir(), "analytics.duckdb")
	}
	db := New(cfg, zerolog.Nop())
	if err := db.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}
