package e2e_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// soakSample is one look at the service while it runs.
type soakSample struct {
	At         float64 `json:"at"` // seconds since the beginning
	Life       int     `json:"life"`
	Age        float64 `json:"age"` // of the process, seconds
	RSS        int64   `json:"rss_bytes"`
	Handles    int64   `json:"handles"`
	Goroutines int64   `json:"goroutines"`
	Data       int64   `json:"data_bytes"`
	Source     int64   `json:"source_bytes"`
}

const (
	soakMemory     = 2 << 30 // resident bytes at most
	soakHandles    = 400
	soakGoroutines = 1500
	// soakDisk is how much larger than its source DATA_DIR may become, once what is always there is left out.
	soakDisk      = 3.0
	soakDiskFloor = 256 << 20
)

// TestSoak: lines are appended without a pause while the service is killed and started again; what it needs stays bounded,
// and in the end everything is there. `make soak` runs it.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		t.Skip("takes very long: `make soak` runs it (DURATION=30m RATE=2000)")
	}
	random := seeded(t)
	dir, data := filepath.Join(t.TempDir(), "projects"), t.TempDir()
	rate := os.Getenv("RATE")
	if _, err := strconv.Atoi(rate); err != nil {
		t.Fatalf("RATE=%q is no number of lines a second", rate)
	}
	writer := exec.Command(binary, "generate", "--out", dir, "--sessions", "20", "--seed", "7", "--rate", rate)
	writer.Env, writer.SysProcAttr = environment(t), &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() { written <- writer.Wait() }()
	t.Cleanup(func() { _ = writer.Process.Kill() })
	eventually(t, "transcripts are there", func() bool {
		files, _ := filepath.Glob(filepath.Join(dir, "*", "*.jsonl"))
		return len(files) > 0
	})

	began := time.Now()
	var samples []soakSample
	killed := 0
	for life := 1; time.Since(began) < length; life++ {
		p := startService(t, data, nil, "up", "--transcripts", dir, "--source", "soak")
		p.info()
		until := time.Now().Add(time.Duration(20+random.IntN(100)) * time.Second)
		for born := time.Now(); time.Now().Before(until) && time.Since(began) < length; time.Sleep(2 * time.Second) {
			if !p.running() {
				t.Fatalf("the service ended by itself, exit code %d", p.cmd.ProcessState.ExitCode())
			}
			s := look(p)
			s.At, s.Age, s.Life = time.Since(began).Seconds(), time.Since(born).Seconds(), life
			s.Data, s.Source = bytesBelow(data), bytesBelow(dir)
			samples = append(samples, s)
		}
		p.kill()
		killed++
	}
	_ = writer.Process.Signal(syscall.SIGTERM)
	<-written
	keepSoak(t, samples)
	boundedSoak(t, samples)
	for _, args := range [][]string{{"up", "--until-idle"}, {"verify", "--deep"}} {
		// For as long as it takes: what is left to be done is much.
		last := exec.Command(binary, append(args, "--transcripts", dir, "--source", "soak", "--data-dir", data)...)
		last.Dir, last.Env = t.TempDir(), environment(t)
		out, err := last.CombinedOutput()
		t.Logf("%d kills; %v:\n%s", killed, args, tail(string(out), 20))
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
	}
}

var goroutines = regexp.MustCompile(`(?m)^go_goroutines (\d+)`)

// look asks the system and the service itself.
func look(p *process) (s soakSample) {
	pid := p.cmd.Process.Pid
	if handles, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)); err == nil {
		s.Handles = int64(len(handles))
	}
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid)); err == nil {
		if fields := strings.Fields(string(text)); len(fields) > 1 {
			pages, _ := strconv.ParseInt(fields[1], 10, 64)
			s.RSS = pages * int64(os.Getpagesize())
		}
	}
	if _, body := p.get("/metrics"); body != "" {
		if found := goroutines.FindStringSubmatch(body); found != nil {
			s.Goroutines, _ = strconv.ParseInt(found[1], 10, 64)
		}
	}
	return s
}

func bytesBelow(dir string) (total int64) {
	// Files go and come while they are counted.
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			if info, err := entry.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil
	})
	return total
}

func keepSoak(t *testing.T, samples []soakSample) {
	t.Helper()
	out := os.Getenv("SOAK_OUT")
	if out == "" {
		return
	}
	text, err := json.MarshalIndent(samples, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(out, "soak-"+time.Now().UTC().Format("20060102-150405")+".json"), append(text, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
}

// boundedSoak looks at the highest of everything, in four quarters of the time.
func boundedSoak(t *testing.T, samples []soakSample) {
	t.Helper()
	if len(samples) < 20 {
		t.Fatalf("only %d looks: run it for longer", len(samples))
	}
	quarter := len(samples) / 4
	t.Logf("%-10s %10s %10s %10s %12s %12s", "quarter", "RSS MiB", "handles", "goroutines", "data MiB", "source MiB")
	highest := func(part []soakSample, of func(soakSample) int64) int64 {
		return of(slices.MaxFunc(part, func(a, b soakSample) int { return int(of(a) - of(b)) }))
	}
	rss, handles, routines := func(s soakSample) int64 { return s.RSS }, func(s soakSample) int64 { return s.Handles }, func(s soakSample) int64 { return s.Goroutines }
	for q := range 4 {
		part := samples[q*quarter : (q+1)*quarter]
		last := part[len(part)-1]
		t.Logf("%-10d %10d %10d %10d %12d %12d", q+1, highest(part, rss)>>20, highest(part, handles), highest(part, routines), last.Data>>20, last.Source>>20)
	}
	for _, bound := range []struct {
		name string
		of   func(soakSample) int64
		most int64
	}{{"resident bytes", rss, soakMemory}, {"handles", handles, soakHandles}, {"goroutines", routines, soakGoroutines}} {
		first, last := highest(samples[:2*quarter], bound.of), highest(samples[2*quarter:], bound.of)
		if last == 0 || last > bound.most {
			t.Errorf("%s: %d, at most %d are allowed", bound.name, last, bound.most)
		}
		if float64(last) > 1.5*float64(first) {
			t.Errorf("%s grow: at most %d in the first half, %d in the second", bound.name, first, last)
		}
	}
	end := samples[len(samples)-1]
	if grown := end.Data - samples[0].Data - soakDiskFloor; float64(grown) > soakDisk*float64(end.Source-samples[0].Source) {
		t.Errorf("DATA_DIR grew to %d bytes, for %d of transcripts", end.Data, end.Source)
	}
}
