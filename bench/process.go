package main

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// processCost is what a running process has used; memory in MiB.
type processCost struct {
	cpu            time.Duration
	resident, peak float64
}

var memoryLine = regexp.MustCompile(`(?m)^(VmHWM|VmRSS):\s+(\d+) kB`)

// cost reads what a running process has used so far, and when that was.
func cost(pid int) (at time.Time, c processCost, err error) {
	at = time.Now()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return at, c, fmt.Errorf("read a process's memory: %w", err)
	}
	for _, found := range memoryLine.FindAllStringSubmatch(string(status), -1) {
		kib, err := strconv.ParseFloat(found[2], 64)
		if err != nil {
			return at, c, err
		}
		if found[1] == "VmHWM" {
			c.peak = kib / 1024
		} else {
			c.resident = kib / 1024
		}
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return at, c, fmt.Errorf("read a process's time: %w", err)
	}
	// Behind the name, which may hold anything, stand 11 fields, then ticks of 10 ms as user and as kernel.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return at, c, fmt.Errorf("/proc/%d/stat is short", pid)
	}
	for _, text := range fields[11:13] {
		ticks, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return at, c, err
		}
		c.cpu += time.Duration(ticks) * 10 * time.Millisecond
	}
	return at, c, nil
}
