package warehouse

import (
	"fmt"
	"os"
	"syscall"
)

// limitMemory bounds what this process may write to: RLIMIT_DATA counts what is mapped for that, not what is only
// reserved, of which Go and DuckDB have much. Where the machine has less than that left, this process is the first to go.
func limitMemory(bytes int64) error {
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0) // what cannot be said is not worth failing for
	limit := syscall.Rlimit{Cur: uint64(bytes), Max: uint64(bytes)}
	if err := syscall.Setrlimit(syscall.RLIMIT_DATA, &limit); err != nil {
		return fmt.Errorf("RLIMIT_DATA: %w", err)
	}
	return nil
}
