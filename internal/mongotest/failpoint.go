package mongotest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// FailPoint says which commands fail, and how. A server holds one at a time: the next replaces it.
type FailPoint struct {
	Commands []string // "aggregate", "getMore", …; empty: every command
	AppName  string   // only those of clients with this name (appName in their URI)
	Times    int      // 0: until it is switched off
	Skip     int      // let so many through first (mongod refuses to combine it with Times, SecantusDB does not)

	Code            int32    // the error's code, 0: none
	Labels          []string // the error's labels; nil: those the server gives this code
	CloseConnection bool     // drop the connection instead of answering
	Block           time.Duration
}

// FailCommand arms the fail point until off is called or the test ends. Other tests on the same server see it too, unless
// it has an AppName. With a MongoDB that was not started for tests (--setParameter enableTestCommands=1) the test is skipped.
func (s *Server) FailCommand(t testing.TB, p FailPoint) (off func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := s.run(ctx, p.command(), nil)
	var refused mongo.CommandError
	if errors.As(err, &refused) && refused.Code == 59 && !s.Own() { // CommandNotFound
		t.Skip("the MongoDB of $MONGODB_URI has no fail points")
	}
	if err != nil {
		t.Fatalf("set fail point: %v", err)
	}
	off = sync.OnceFunc(func() {
		if s.Own() && !s.running() {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.run(ctx, bson.D{{Key: "configureFailPoint", Value: "failCommand"}, {Key: "mode", Value: "off"}}, nil); err != nil {
			t.Errorf("switch fail point off: %v", err)
		}
	})
	t.Cleanup(off)
	return off
}

func (p FailPoint) command() bson.D {
	var mode any = "alwaysOn"
	switch {
	case p.Times > 0 && p.Skip > 0:
		mode = bson.D{{Key: "skip", Value: p.Skip}, {Key: "times", Value: p.Times}}
	case p.Times > 0:
		mode = bson.D{{Key: "times", Value: p.Times}}
	case p.Skip > 0:
		mode = bson.D{{Key: "skip", Value: p.Skip}}
	}
	data := bson.D{{Key: "failCommands", Value: append([]string{}, p.Commands...)}}
	if p.AppName != "" {
		data = append(data, bson.E{Key: "appName", Value: p.AppName})
	}
	if p.Code != 0 {
		data = append(data, bson.E{Key: "errorCode", Value: p.Code})
	}
	if p.Labels != nil {
		data = append(data, bson.E{Key: "errorLabels", Value: p.Labels})
	}
	if p.CloseConnection {
		data = append(data, bson.E{Key: "closeConnection", Value: true})
	}
	if p.Block > 0 {
		data = append(data, bson.E{Key: "blockConnection", Value: true}, bson.E{Key: "blockTimeMS", Value: p.Block.Milliseconds()})
	}
	return bson.D{{Key: "configureFailPoint", Value: "failCommand"}, {Key: "mode", Value: mode}, {Key: "data", Value: data}}
}
