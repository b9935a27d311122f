package warehouse

import (
	"fmt"
	"syscall"
)

// limitMemory bounds what this process may write to: RLIMIT_DATA counts what is mapped for that, not what is only
// reserved, of which Go and DuckDB have much.
func limitMemory(bytes int64) error {
	limit := syscall.Rlimit{Cur: uint64(bytes), Max: uint64(bytes)}
	if err := syscall.Setrlimit(syscall.RLIMIT_DATA, &limit); err != nil {
		return fmt.Errorf("RLIMIT_DATA: %w", err)
	}
	return nil
}
