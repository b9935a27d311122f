package mongotest

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Client connects to the server; the test's end disconnects. Further options win over the server's URI.
func (s *Server) Client(t testing.TB, opts ...*options.ClientOptions) *mongo.Client {
	t.Helper()
	client, err := mongo.Connect(append([]*options.ClientOptions{s.options()}, opts...)...)
	if err != nil {
		t.Fatalf("connect to %s: %v", s.uri, err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := client.Disconnect(ctx); err != nil {
			t.Errorf("disconnect: %v", err)
		}
	})
	return client
}

// options are those of a client in a test. A monitor that streams learns from the server that it is primary again: after
// an injected error nothing has changed there, so it would hear of it at the next heartbeat, 10 s later. The driver
// (v2.10.0) does not read serverMonitoringMode from the URI.
func (s *Server) options() *options.ClientOptions {
	return options.Client().ApplyURI(s.uri).SetServerMonitoringMode(options.ServerMonitoringModePoll)
}

// Database is a new database for this test alone, dropped at its end.
func (s *Server) Database(t testing.TB) *mongo.Database {
	t.Helper()
	db := s.Client(t).Database(databaseName(t.Name()))
	t.Cleanup(func() {
		if s.Own() && !s.running() {
			return // what it kept went with its directory
		}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := db.Drop(ctx); err != nil {
			t.Errorf("drop database %s: %v", db.Name(), err)
		}
	})
	return db
}

// databaseName fits MongoDB's 63 bytes and is unique, since a MongoDB that outlives the test may hold the last run's.
func databaseName(test string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, test)
	return name[:min(len(name), 40)] + "_" + rand.Text()[:12]
}

func (s *Server) running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return false
	}
	select {
	case <-s.proc.exited:
		return false
	default:
		return true
	}
}

// run runs an administrative command on a connection of its own and decodes the reply into reply, if that is not nil.
func (s *Server) run(ctx context.Context, cmd bson.D, reply any) error {
	client, err := mongo.Connect(s.options().SetServerSelectionTimeout(patience))
	if err != nil {
		return err
	}
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }()
	result := client.Database("admin").RunCommand(ctx, cmd)
	if reply == nil {
		return result.Err()
	}
	return result.Decode(reply)
}
