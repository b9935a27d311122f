package ingest

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"claude-analytics/ingest/mongodb"
	"claude-analytics/internal/mongotest"
)

// TestLeastRole: the role that is documented is enough, for the snapshot and for following; without it the remedy names it.
func TestLeastRole(t *testing.T) {
	t.Parallel()
	server := mongotest.Start(t, mongotest.Options{Dir: t.TempDir(), User: "root", Password: "root"})
	ctx := testContext(t)
	db := server.Client(t).Database("claude_logs")
	coll := db.Collection("conversations")
	insert(t, coll, records(0, 20)...)
	admin := db.Client().Database("admin")
	for _, command := range []bson.D{
		{{Key: "createRole", Value: "tailer"}, {Key: "privileges", Value: bson.A{bson.D{
			{Key: "resource", Value: bson.D{{Key: "db", Value: "claude_logs"}, {Key: "collection", Value: "conversations"}}},
			{Key: "actions", Value: bson.A{"find", "changeStream"}},
		}}}, {Key: "roles", Value: bson.A{}}},
		{{Key: "createUser", Value: "analytics"}, {Key: "pwd", Value: "p@ss"}, {Key: "roles", Value: bson.A{"tailer"}}},
		{{Key: "createUser", Value: "nobody"}, {Key: "pwd", Value: "p@ss"}, {Key: "roles", Value: bson.A{}}},
	} {
		if err := admin.RunCommand(ctx, command).Err(); err != nil {
			t.Fatalf("%v: %v", command[0], err)
		}
	}
	as := func(user, password string) string {
		u, err := url.Parse(server.URI())
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword(user, password)
		q := u.Query()
		q.Set("authSource", "admin")
		u.RawQuery = q.Encode()
		return u.String()
	}
	conn := openStream(t)
	cfg := followed(t, as("analytics", "p@ss"), coll)
	r := start(t, conn, cfg)
	in := newReplica(t, conn)
	in.equal(coll)
	insert(t, coll, records(20, 20)...)
	in.equal(coll)
	r.stop()
	if probe, err := mongodb.Examine(ctx, *cfg.Collection, nil, nil); err != nil || probe.Documents == 0 {
		t.Errorf("%+v, %v", probe, err)
	}

	for _, c := range []struct{ user, password, word string }{
		{"nobody", "p@ss", "changeStream"}, {"analytics", "wrong", "authSource"},
	} {
		err := start(t, openStream(t), followed(t, as(c.user, c.password), coll)).fails()
		var setup *mongodb.SetupError
		if !errors.As(err, &setup) || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: error %v", c.user, err)
		}
		if strings.Contains(err.Error(), c.password) {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}
