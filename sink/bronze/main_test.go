package bronze

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childVariable); path != "" {
		applyForever(path)
		return
	}
	// Each check is some ten transactions on a real file. -rapid.checks on the command line comes later and wins.
	_ = flag.Set("rapid.checks", "20")
	goleak.VerifyTestMain(m)
}
