package main

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"
)

func TestWhenMemoryIsGivenBack(t *testing.T) {
	const mib = 1 << 20
	var q quietness
	var allocated uint64
	var got []int
	for i, grown := range []uint64{500, 900, 10, 10, 10, 49, 0, 0, 0, 50, 1, 200, 1, 1, 1} {
		allocated += grown * mib
		if q.over(allocated) {
			got = append(got, i)
		}
	}
	if want := "[3 13]"; fmt.Sprint(got) != want {
		t.Errorf("given back after periods %v, want %v", got, want)
	}
}

// What was allocated and is not used any more leaves the process.
func TestMemoryIsGivenBack(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	const size = 300 << 20
	allocate(size)
	before := heapBytes("/memory/classes/heap/released:bytes")
	go func() { done <- giveBack(ctx, 20*time.Millisecond, func(context.Context) bool { return true }) }()
	for deadline := time.Now().Add(time.Minute); heapBytes("/memory/classes/heap/released:bytes") < before+size/2; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("nothing was given back")
			break
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

//go:noinline
func allocate(size int) {
	kept := make([]byte, size)
	for i := range kept {
		kept[i] = byte(i)
	}
	runtime.KeepAlive(kept)
}

// What could not be given back is asked for again, once a period.
func TestWhenMemoryIsAskedForAgain(t *testing.T) {
	var q quietness
	got := ""
	for i := range 7 {
		if q.over(0) {
			got += fmt.Sprint(i, " ")
			if i < 3 {
				q.again()
			}
		}
	}
	if want := "1 2 3 "; got != want {
		t.Errorf("asked for after periods %s, want %s", got, want)
	}
}
