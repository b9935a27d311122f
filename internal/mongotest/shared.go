package mongotest

import (
	"context"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// shared is the server that all tests of a package use: one for each test program, as TestMain is.
var shared struct {
	mu     sync.Mutex
	server *Server
}

// Shared returns the package's common server, started by the first test that asks. TestMain must be Main, which stops it.
// Each test works in a Database of its own, and none stops the server.
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server == nil {
		s, err := Launch(context.Background(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		shared.server = s
	}
	return shared.server
}

// Main is the TestMain of a package that uses Shared: it runs the tests, stops the server, and fails if a goroutine is left.
func Main(m *testing.M, opts ...goleak.Option) {
	goleak.VerifyTestMain(tests{m}, opts...)
}

// tests stops the shared server before goroutines are counted: some watch over it.
type tests struct{ m *testing.M }

func (t tests) Run() int {
	defer func() {
		shared.mu.Lock()
		defer shared.mu.Unlock()
		if shared.server != nil {
			shared.server.Stop()
		}
	}()
	return t.m.Run()
}
