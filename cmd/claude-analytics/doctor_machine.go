package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"claude-analytics/internal/config"
)

// cgroupFiles are where a memory limit may stand, of both versions of control groups.
var cgroupFiles = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}

const (
	// noLimit is what version 1 says for none.
	noLimit = 1 << 60
	// besides is what the process takes besides DuckDB's memory and Go's heap: stacks, the server's buffers, the binary.
	besides = 256 << 20
	// softSkew and hardSkew are how far clocks may be apart.
	softSkew = 2 * time.Second
	hardSkew = time.Minute
)

// memoryHere is the memory that this process may use, and where that stands; 0: not known.
func memoryHere(files []string) (limit int64, where string) {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		limit, where = int64(info.Totalram)*int64(info.Unit), "the machine"
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err == nil && n > 0 && n < noLimit && (limit == 0 || n < limit) {
			limit, where = n, "the control group ("+name+")"
		}
	}
	return limit, where
}

// checkMemory compares it with what the settings let the parts take.
func checkMemory(cfg config.Loaded, files []string) finding {
	const id = "memory"
	limit, where := memoryHere(files)
	if limit == 0 {
		return good(id, "how much there is is not known")
	}
	duck, ok := duckMemory(cfg.DuckDBMemoryLimit, limit)
	if !ok {
		return warn(id, fmt.Sprintf("DUCKDB_MEMORY_LIMIT=%s is not understood here", cfg.DuckDBMemoryLimit), "write it with a unit, as in 2GB or 512MiB")
	}
	needs := duck + softMemory + besides
	seen := fmt.Sprintf("%s allows %s; DuckDB may take %s, the Go heap %s, the rest about %s", where, gib(limit), gib(duck), gib(softMemory), gib(besides))
	switch {
	case duck >= limit:
		return bad(id, seen, "lower DUCKDB_MEMORY_LIMIT, or give more memory: the process would be killed")
	case needs > limit:
		return warn(id, seen, "lower DUCKDB_MEMORY_LIMIT, set GOMEMLIMIT, or give more memory")
	}
	return good(id, seen)
}

// duckMemory reads a size as DuckDB writes it: 2GB, 512MiB, 80%.
func duckMemory(text string, whole int64) (int64, bool) {
	text = strings.TrimSpace(text)
	if percent, ok := strings.CutSuffix(text, "%"); ok {
		n, err := strconv.ParseFloat(strings.TrimSpace(percent), 64)
		return int64(n / 100 * float64(whole)), err == nil
	}
	n, err := config.ParseBytes(text)
	return n, err == nil
}

// checkVersions says what this program is made of; it fails on nothing, and helps whoever asks for help.
func checkVersions() finding {
	return good("versions", fmt.Sprintf("claude-analytics %s, %s, %s/%s, %d cores", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU()))
}

// skewFinding compares a server's clock with ours; round is how long the question took.
func skewFinding(server string, skew, round time.Duration) finding {
	const id = "clock"
	// What the question took may have gone by on either side of the answer.
	apart := max(skew.Abs()-round/2, 0)
	seen := fmt.Sprintf("the clock of %s and this machine's are %s apart", server, apart.Round(time.Millisecond))
	const remedy = "synchronize both with NTP (chronyc tracking, timedatectl): freshness and lag are told by these clocks"
	switch {
	case apart > hardSkew:
		return bad(id, seen, remedy)
	case apart > softSkew:
		return warn(id, seen, remedy)
	}
	return good(id, seen)
}

// holderOf names the process that listens on a port, as far as this user may see it.
func holderOf(port int) string {
	inodes := map[string]bool{}
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		for _, line := range strings.Split(string(text), "\n") {
			f := strings.Fields(line)
			if len(f) > 9 && f[3] == "0A" && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
				inodes["socket:["+f[9]+"]"] = true
			}
		}
	}
	if len(inodes) == 0 {
		return ""
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && inodes[target] {
			pid := strings.Split(link, "/")[2]
			name, _ := os.ReadFile("/proc/" + pid + "/comm")
			return fmt.Sprintf("%s (pid %s)", strings.TrimSpace(string(name)), pid)
		}
	}
	return "a process of another user"
}
