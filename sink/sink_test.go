package sink

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

func TestEndToEnd(t *testing.T) {
	w := newWorld(t)
	w.documents(300)
	var more []stream.Outgoing
	for i := range 40 {
		more = append(more, w.document(i*3, "changed"))
	}
	for i := range 20 {
		more = append(more, w.delete(i*5))
	}
	w.publish(more...)
	r := w.start(nil)
	r.catchUp()
	w.documents(60)
	r.catchUp()
	w.checkWarehouse()
	select {
	case a := <-r.Applied():
		if a.Batch == 0 || a.Newest.IsZero() {
			t.Errorf("applied %+v", a)
		}
	default:
		t.Error("nobody was told")
	}
	status := r.Status()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	w.checkLake(w.published)
	if status.State != StateRunning || status.Epoch != 1 || status.Lake.Rows != uint64(w.published) || status.Error != "" ||
		status.Warehouse.Seen < w.seq || status.Lake.Seen < w.seq || len(status.Gaps) != 0 {
		t.Errorf("status %+v", status)
	}
	for name, want := range map[string]float64{"rows_total": float64(w.published), "lake_files": float64(status.Files.Files), "epoch": 1} {
		if got := r.metric(t, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if text, err := json.Marshal(status); err != nil || !bytes.Contains(text, []byte(`"lake":{"epoch":1,`)) {
		t.Errorf("status as JSON: %s, %v", text, err)
	}
	if got := r.Status().State; got != StateStopped {
		t.Errorf("state after the end: %s", got)
	}
}

// metric is a metric's value, of the lake where there are several.
func (r *running) metric(t *testing.T, name string) float64 {
	t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "analytics_sink_"+name {
			continue
		}
		m := f.GetMetric()[0]
		return m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	t.Errorf("no metric %s", name)
	return 0
}

func TestPoison(t *testing.T) {
	w := newWorld(t)
	subject := proto.DataSubject(testLane, "s", "")
	w.documents(10)
	bad := []stream.Outgoing{
		{Subject: subject, Data: []byte{0xff, 0xff}},
		{Subject: subject},
		w.change(&proto.Change{Id: "a", Operation: proto.Operation_OPERATION_INSERT, Document: []byte("not BSON")}, "s"),
		w.change(&proto.Change{Id: "b", Operation: proto.Operation_OPERATION_INSERT}, "s"),
		w.change(&proto.Change{Id: "c", Operation: 99}, "s"),
		w.change(&proto.Change{Id: "e", Operation: proto.Operation_OPERATION_UPDATE}, "s"), // its document was gone: no fault
	}
	w.publish(bad...)
	w.documents(10)
	w.drain()
	w.checkWarehouse()
	w.checkLake(21)
	letters, err := w.conn.DeadLetters(w.ctx(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	for _, l := range letters {
		reasons = append(reasons, l.Reason)
		if l.Epoch != 1 || l.Seq == 0 || l.Lane != testLane || l.Detail == "" {
			t.Errorf("letter %+v", l)
		}
	}
	slices.Sort(reasons)
	want := []string{proto.ReasonNotConvertible, proto.ReasonNotConvertible, proto.ReasonNotDecodable, proto.ReasonNotDecodable, proto.ReasonOperation}
	if !slices.Equal(reasons, want) {
		t.Errorf("reasons %v", reasons)
	}
}
