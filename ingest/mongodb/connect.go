package mongodb

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	command "go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"
)

// connect makes the client, once; it asks nothing of the server.
func (t *Tailer) connect() error {
	if t.client != nil {
		return nil
	}
	opts := options.Client().ApplyURI(t.cfg.URI).SetMonitor(&command.CommandMonitor{
		Failed: func(_ context.Context, failed *command.CommandFailedEvent) { t.failed(failed.Failure) },
	})
	if opts.AppName == nil {
		opts.SetAppName("claude-analytics")
	}
	if opts.ServerSelectionTimeout == nil {
		opts.SetServerSelectionTimeout(selectionTimeout)
	}
	client, err := mongo.Connect(opts)
	if err != nil {
		return &SetupError{Problem: "MONGO_URI cannot be used", Err: err, Remedy: "correct it; the form is mongodb://user:password@host:27017/?replicaSet=rs0"}
	}
	t.client = client
	return nil
}

// failed counts each error of the server, also those that the driver deals with by itself.
func (t *Tailer) failed(err error) {
	if t.cfg.Counters.OnError != nil && !errors.Is(err, context.Canceled) {
		t.counted.Store(true)
		t.cfg.Counters.OnError(codeOf(err))
	}
}

// disconnect ends the client. Its sockets are closed, whatever is under way.
func (t *Tailer) disconnect() {
	if t.client == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = t.client.Disconnect(ctx)
	t.client = nil
}

// hello is what a server says of itself.
type hello struct {
	SetName string `bson:"setName"`
	Ghost   bool   `bson:"isreplicaset"` // a member that is starting, or that rs.initiate() has not reached yet
	Message string `bson:"msg"`          // isdbgrid: a mongos
}

// examine sees that the server has change streams at all.
func (t *Tailer) examine(ctx context.Context) error {
	ctx, cancel := patient(ctx, askTimeout)
	defer cancel()
	admin, any := t.client.Database("admin"), options.RunCmd().SetReadPreference(readpref.Nearest())
	var who hello
	if err := admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}, any).Decode(&who); err != nil {
		if fault := t.otherSet(ctx); fault != nil {
			return fault
		}
		return fmt.Errorf("reach MongoDB: %w", unanswered(ctx, err))
	}
	if who.Ghost {
		return errors.New("reach MongoDB: the replica set is starting, or was not initiated: rs.initiate()")
	}
	t.sharded = who.Message == "isdbgrid"
	if who.SetName == "" && !t.sharded {
		return &SetupError{Problem: "the MongoDB server is a standalone, and only replica sets have change streams", Remedy: standaloneRemedy}
	}
	var build struct {
		Version string  `bson:"version"`
		Numbers []int32 `bson:"versionArray"`
	}
	if err := admin.RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}, any).Decode(&build); err != nil {
		return fmt.Errorf("ask MongoDB for its version: %w", err)
	}
	if t.canSplit && older(build.Numbers, 6, 0, 9) {
		t.log.Warn().Str("version", build.Version).Msg("MongoDB before 6.0.9 cannot split large changes; those over 16 MB are fetched apart")
		t.canSplit, t.split = false, false
	}
	t.stats.set(func(s *Stats) { s.Server, s.Set = build.Version, who.SetName })
	return nil
}

// older reports whether a version is older than major.minor.patch.
func older(version []int32, than ...int32) bool {
	for i, part := range than {
		if i >= len(version) || version[i] != part {
			return i < len(version) && version[i] < part
		}
	}
	return false
}

// otherSet looks whether a server that cannot be used is there all the same, as a member of another replica set than
// MONGO_URI names, or of none.
func (t *Tailer) otherSet(ctx context.Context) error {
	uri, err := connstring.ParseAndValidate(t.cfg.URI)
	if err != nil || uri.ReplicaSet == "" || ctx.Err() != nil {
		return nil //nolint:nilerr // nothing to find out
	}
	var fault error
	for _, host := range uri.Hosts {
		opts := options.Client().ApplyURI(t.cfg.URI).SetHosts([]string{host}).SetDirect(true).SetServerSelectionTimeout(selectionTimeout)
		opts.ReplicaSet = nil
		client, err := mongo.Connect(opts)
		if err != nil {
			continue
		}
		var who hello
		err = client.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&who)
		_ = client.Disconnect(ctx)
		if err != nil || who.Ghost {
			continue
		}
		switch {
		case who.SetName == uri.ReplicaSet:
			return nil // it is there, and only has no primary now
		case who.SetName == "" && who.Message != "isdbgrid":
			fault = &SetupError{Problem: fmt.Sprintf("the MongoDB server %s is a standalone, not a member of replica set %q", host, uri.ReplicaSet), Remedy: standaloneRemedy}
		default:
			fault = &SetupError{
				Problem: fmt.Sprintf("the MongoDB server %s is a member of replica set %q, not of %q", host, who.SetName, uri.ReplicaSet),
				Remedy:  fmt.Sprintf("set replicaSet=%s in MONGO_URI", who.SetName),
			}
		}
	}
	return fault
}
