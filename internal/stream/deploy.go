package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"claude-analytics/proto"
)

// duplicateWindow is as small as the server allows to be useful: batches are fenced, message ids are not used.
const duplicateWindow = time.Second

// Difference is one setting on the server that is not as it should be, or was not before Deploy.
type Difference struct {
	// Object names the stream or consumer, as in "stream CONVERSATIONS".
	Object string `json:"object"`
	// Setting is the setting's name; empty if the whole object is missing.
	Setting string `json:"setting,omitempty"`
	Have    string `json:"have"`
	Want    string `json:"want"`
}

// String is the difference as one line.
func (d Difference) String() string {
	if d.Setting == "" {
		return fmt.Sprintf("%s: %s, should be %s", d.Object, d.Have, d.Want)
	}
	return fmt.Sprintf("%s: %s is %s, should be %s", d.Object, d.Setting, d.Have, d.Want)
}

// streamConfigs are the streams as they should be. Retention is ours (Sweep): no age or size limit stands in them.
func streamConfigs() []jetstream.StreamConfig {
	base := jetstream.StreamConfig{
		Retention:   jetstream.LimitsPolicy,
		Storage:     jetstream.FileStorage,
		Compression: jetstream.S2Compression,
		Discard:     jetstream.DiscardOld,
		MaxMsgs:     -1, MaxBytes: -1, MaxMsgSize: -1, MaxConsumers: -1, MaxMsgsPerSubject: -1,
		AllowDirect: true,
		Duplicates:  duplicateWindow,
	}
	conversations, letters := base, base
	conversations.Name = proto.StreamName
	conversations.Description = "Changes and positions, a lane a source"
	conversations.Subjects = []string{proto.AllSubjects}
	conversations.AllowAtomicPublish = true
	conversations.AllowRollup = true
	letters.Name = proto.DeadLetterName
	letters.Description = "Messages and lines set aside with their reason, a subject each"
	letters.Subjects = []string{proto.AllDeadLetterSubjects}
	letters.MaxMsgsPerSubject = 1
	return []jetstream.StreamConfig{conversations, letters}
}

// compare lists the settings of a stream that are ours and differ; what is not listed (replicas, placement) is the
// operator's. In fixed stand those that no server changes in an existing stream.
func compare(have, want jetstream.StreamConfig) (diffs []Difference, fixed []string) {
	for _, s := range []struct {
		name       string
		have, want any
		fixed      bool
	}{
		{"storage", have.Storage, want.Storage, true},
		{"retention", have.Retention, want.Retention, true},
		{"sealed", have.Sealed, want.Sealed, true},
		{"deny_purge", have.DenyPurge, want.DenyPurge, true},
		{"deny_delete", have.DenyDelete, want.DenyDelete, true},
		{"subjects", have.Subjects, want.Subjects, false},
		{"compression", have.Compression, want.Compression, false},
		{"discard", have.Discard, want.Discard, false},
		{"max_msgs", have.MaxMsgs, want.MaxMsgs, false},
		{"max_bytes", have.MaxBytes, want.MaxBytes, false},
		{"max_age", have.MaxAge, want.MaxAge, false},
		{"max_msg_size", have.MaxMsgSize, want.MaxMsgSize, false},
		{"max_msgs_per_subject", have.MaxMsgsPerSubject, want.MaxMsgsPerSubject, false},
		{"duplicate_window", have.Duplicates, want.Duplicates, false},
		{"allow_atomic", have.AllowAtomicPublish, want.AllowAtomicPublish, false},
		{"allow_rollup", have.AllowRollup, want.AllowRollup, false},
		{"allow_direct", have.AllowDirect, want.AllowDirect, false},
		{"no_ack", have.NoAck, want.NoAck, false},
	} {
		have, want := fmt.Sprint(s.have), fmt.Sprint(s.want)
		if have == want {
			continue
		}
		diffs = append(diffs, Difference{Setting: s.name, Have: have, Want: want})
		if s.fixed {
			fixed = append(fixed, s.name)
		}
	}
	return diffs, fixed
}

// overlay is have with every setting of compare as in want.
func overlay(have, want jetstream.StreamConfig) jetstream.StreamConfig {
	have.Subjects, have.Compression, have.Discard = want.Subjects, want.Compression, want.Discard
	have.MaxMsgs, have.MaxBytes, have.MaxAge, have.MaxMsgSize = want.MaxMsgs, want.MaxBytes, want.MaxAge, want.MaxMsgSize
	have.MaxMsgsPerSubject, have.Duplicates = want.MaxMsgsPerSubject, want.Duplicates
	have.AllowAtomicPublish, have.AllowRollup, have.AllowDirect = want.AllowAtomicPublish, want.AllowRollup, want.AllowDirect
	have.NoAck = want.NoAck
	return have
}

// Deploy creates the streams and the durable consumers that are missing and mends their settings; with checkOnly it
// changes nothing. It returns what differed. A difference that no update mends is ErrStreamConfig, with the list.
func (c *Conn) Deploy(ctx context.Context, checkOnly bool) ([]Difference, error) {
	_, js, err := c.clients()
	if err != nil {
		return nil, err
	}
	var all []Difference
	for _, want := range streamConfigs() {
		diffs, err := deployStream(ctx, js, want, checkOnly)
		all = append(all, diffs...)
		if err != nil {
			return all, err
		}
	}
	for _, name := range []string{proto.LakeConsumer, proto.WarehouseConsumer} {
		_, err := js.Consumer(ctx, proto.StreamName, name)
		if err == nil {
			continue
		}
		if !isAbsent(err) {
			return all, fmt.Errorf("read consumer %s: %w", name, err)
		}
		all = append(all, Difference{Object: "consumer " + name, Have: "missing", Want: "there"})
		if checkOnly {
			continue
		}
		if _, err := js.CreateConsumer(ctx, proto.StreamName, consumerConfig(ConsumerConfig{Name: name})); err != nil {
			return all, fmt.Errorf("create consumer %s: %w", name, err)
		}
	}
	return all, nil
}

func deployStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig, checkOnly bool) ([]Difference, error) {
	object := "stream " + want.Name
	stream, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		diffs := []Difference{{Object: object, Have: "missing", Want: "there"}}
		if checkOnly {
			return diffs, nil
		}
		if _, err := js.CreateStream(ctx, want); err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return diffs, fmt.Errorf("create %s: %w", object, err)
		}
		return diffs, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", object, err)
	}

	have := stream.CachedInfo().Config
	diffs, fixed := compare(have, want)
	for i := range diffs {
		diffs[i].Object = object
	}
	if len(fixed) > 0 {
		return diffs, fmt.Errorf("%w: %s has a %s that cannot be changed; delete it (nats stream rm %s) or use another NATS account, and its sources fill it again",
			ErrStreamConfig, object, strings.Join(fixed, ", "), want.Name)
	}
	if len(diffs) > 0 && !checkOnly {
		if _, err := js.UpdateStream(ctx, overlay(have, want)); err != nil {
			return diffs, fmt.Errorf("update %s: %w", object, err)
		}
	}
	return diffs, nil
}

// ensureStreams creates or mends the streams, trying again as long as the server is not ready for it.
func (c *Conn) ensureStreams(ctx context.Context) error {
	_, js, err := c.clients()
	if err != nil {
		return err
	}
	for _, want := range streamConfigs() {
		err := c.retry(ctx, "create or update streams", func(ctx context.Context) error {
			diffs, err := deployStream(ctx, js, want, false)
			for _, d := range diffs {
				c.log.Info().Str("object", d.Object).Str("setting", d.Setting).Str("have", d.Have).Str("want", d.Want).Msg("stream settings changed")
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
