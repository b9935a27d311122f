package document

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// fromExtJSON is the BSON of Extended JSON.
func fromExtJSON(tb testing.TB, text string) bson.Raw {
	tb.Helper()
	var raw bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(text), false, &raw); err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return raw
}

func TestIdentify(t *testing.T) {
	for _, c := range []struct {
		name             string
		doc              string
		session, project string
	}{
		{"both fields", `{"sessionId":"s","projectId":"p","sourceFile":"/h/.claude/projects/other/x.jsonl"}`, "s", "p"},
		{"own file", `{"sourceFile":"/h/.claude/projects/-h-app/0aa3.jsonl"}`, "0aa3", "-h-app"},
		{"sub-agent", `{"sourceFile":"/h/.claude/projects/-h-app/0aa3/subagents/agent-1.jsonl"}`, "0aa3", "-h-app"},
		{"workflow", `{"sourceFile":"/h/.claude/projects/-h-app/0aa3/subagents/workflows/wf_1/journal.jsonl"}`, "0aa3", "-h-app"},
		{"no projects folder", `{"sourceFile":"/data/app/0aa3.jsonl"}`, "0aa3", "app"},
		{"no projects folder, sub-agent", `{"sourceFile":"/data/app/0aa3/subagents/agent-1.jsonl"}`, "0aa3", "app"},
		{"projects twice", `{"sourceFile":"/h/projects/x/.claude/projects/-h-app/0aa3.jsonl"}`, "0aa3", "-h-app"},
		{"file in projects", `{"sourceFile":"/h/projects/0aa3.jsonl"}`, "0aa3", "projects"},
		{"Windows", `{"sourceFile":"C:\\Users\\x\\.claude\\projects\\C--app\\0aa3.jsonl"}`, "0aa3", "C--app"},
		{"bare name", `{"sourceFile":"0aa3.jsonl"}`, "0aa3", ""},
		{"hidden name", `{"sourceFile":".jsonl"}`, ".jsonl", ""},
		{"empty fields", `{"sessionId":"","projectId":null,"sourceFile":"/a/projects/p/s.jsonl"}`, "s", "p"},
		{"number", `{"sessionId":12,"projectId":1.5}`, "12", "1.5"},
		{"ObjectId", `{"sessionId":{"$oid":"010000000000000000000000"},"projectId":true}`, "010000000000000000000000", "true"},
		{"object", `{"sessionId":{"a":1}}`, `{"a":1}`, ""},
		{"last of a repeated key", `{"sessionId":"a","sessionId":"b"}`, "b", ""},
		{"path is no text", `{"sourceFile":1}`, "", ""},
		{"nothing", `{}`, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			session, project := Identify(fromExtJSON(t, c.doc))
			if session != c.session || project != c.project {
				t.Errorf("%q, %q, want %q, %q", session, project, c.session, c.project)
			}
		})
	}
	if session, project := Identify([]byte("not BSON")); session != "" || project != "" {
		t.Errorf("not BSON: %q, %q", session, project)
	}
}

func TestKeyText(t *testing.T) {
	for _, c := range []struct {
		id   any
		want string
	}{
		{bson.ObjectID{1, 2}, "010200000000000000000000"},
		{"text", `"text"`},
		{int32(7), `{"$numberInt":"7"}`},
		{int64(7), `{"$numberLong":"7"}`},
		{7.5, `{"$numberDouble":"7.5"}`},
		{bson.D{{Key: "a", Value: int32(1)}}, `{"a":{"$numberInt":"1"}}`},
		{bson.Binary{Subtype: 4, Data: make([]byte, 16)}, `{"$binary":{"base64":"AAAAAAAAAAAAAAAAAAAAAA==","subType":"04"}}`},
		{bson.Null{}, `null`},
	} {
		v := valueOf(t, c.id)
		got, err := KeyText(bson.RawValue{Type: bson.Type(v.kind), Value: []byte(v.data)})
		if err != nil || got != c.want {
			t.Errorf("%v: %s, %v, want %s", c.id, got, err, c.want)
		}
	}
}
