package generator

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
)

// secretPlace is where in a conversation a secret can stand. put writes text, which holds it, and returns in what form
// the secret was written.
type secretPlace struct {
	name string
	put  func(t *thread, text, secret string) []string
}

var secretPlaces = []secretPlace{
	{"prompt", func(t *thread, text, secret string) []string {
		t.say("Please use " + text + " for the deployment, and tell nobody.")
		return []string{secret}
	}},
	{"answer", func(t *thread, text, secret string) []string {
		t.text("I found it in the settings:\n\n```\n" + text + "\n```\n\nIt should be rotated.")
		return []string{secret}
	}},
	{"command", func(t *thread, text, secret string) []string {
		t.withTool("export X; echo "+text+" > /tmp/x", "done", nil)
		return []string{secret}
	}},
	{"output", func(t *thread, text, secret string) []string {
		t.withTool("cat .env", "DEBUG=1\n"+text+"\nPORT=8080", nil)
		return []string{secret}
	}},
	{"list of results", func(t *thread, text, secret string) []string {
		t.withTool("cat .env", "", func(w *writer) {
			w.obj().kstr("type", "text").kstr("text", "first").end().obj().kstr("type", "text").kstr("text", "then "+text+" ").end()
		})
		return []string{secret}
	}},
	{"JSON in a text", func(t *thread, text, secret string) []string {
		inner, _ := json.Marshal(map[string]string{"line": "x\n" + text + "\ny"})
		outer, _ := json.Marshal(map[string]string{"body": string(inner)})
		t.withTool("curl -s localhost/settings", string(outer), nil)
		escaped, _ := json.Marshal(secret)
		return []string{secret, strings.Trim(string(escaped), `"`)}
	}},
	{"base64", func(t *thread, text, secret string) []string {
		encoded := base64.StdEncoding.EncodeToString([]byte(text + "\n"))
		t.withTool("base64 -w0 .env", "data: "+encoded+"\n", nil)
		return []string{secret, encoded, strings.TrimRight(encoded, "=")}
	}},
	{"URL-safe base64", func(t *thread, text, secret string) []string {
		encoded := base64.RawURLEncoding.EncodeToString([]byte("{" + text + "\n}"))
		t.say("what is " + encoded + " about?")
		return []string{secret, encoded}
	}},
	{"hexadecimal", func(t *thread, text, secret string) []string {
		encoded := hex.EncodeToString([]byte(text + " "))
		t.say("decode " + encoded)
		return []string{secret, encoded}
	}},
	{"URL", func(t *thread, text, secret string) []string {
		t.text("see https://example.net/?q=" + url.QueryEscape(text+" ") + "&page=2")
		return []string{secret, url.QueryEscape(secret)}
	}},
	{"split over blocks", func(t *thread, text, secret string) []string {
		middle := len(text) - len(secret)/2
		t.user(classHuman, func(w *writer) {
			w.arr().obj().kstr("type", "text").kstr("text", "Use "+text[:middle]).end()
			w.obj().kstr("type", "text").kstr("text", text[middle:]+" for it.").end().endArr()
		}, nil)
		half := len(secret) / 2
		return []string{secret, secret[:len(secret)-half], secret[len(secret)-half:]}
	}},
	{"attachment", func(t *thread, text, secret string) []string {
		t.attachment("edited_text_file", false, func(w *writer) { w.kstr("filename", "settings.ini").kstr("snippet", "1\t"+text+"\n2\tx=1") })
		return []string{secret}
	}},
	{"system record", func(t *thread, text, secret string) []string {
		t.system("info", func(w *writer) { w.kstr("content", "hook says: "+text) })
		return []string{secret}
	}},
	{"name of a field", func(t *thread, text, secret string) []string {
		t.system("info", func(w *writer) {
			w.kobj("cache").str(text)
			w.b = append(w.b, `:{"hits":3}}`...)
		})
		return []string{secret}
	}},
}

// withTool runs a shell command; list is its output as blocks, if not nil.
func (t *thread) withTool(command, output string, list func(w *writer)) {
	c := t.success("Bash")
	c.input = func(w *writer) { w.obj().kstr("command", command).kstr("description", "Look at it").end() }
	c.out = outcome{status: statusSuccess, text: output, list: list, isError: no}
	c.out.result = func(w *writer) {
		w.obj().kstr("stdout", output).kstr("stderr", "").kbool("interrupted", false).kbool("isImage", false).end()
	}
	t.tool(c)
}

// plant writes each kind of secret in one place, and one kind in every place.
func (u *unit) plant(t *thread) {
	put := func(kind *secretKind, place *secretPlace) {
		secret := kind.draw(u.r)
		texts := place.put(t, kind.known(secret), secret)
		u.ledger.secrets = append(u.ledger.secrets, SecretTruth{Kind: kind.name, Place: place.name, Texts: texts})
	}
	for i := range secretKinds {
		put(&secretKinds[i], &secretPlaces[i%len(secretPlaces)])
	}
	for i := range secretPlaces {
		put(&secretKinds[2], &secretPlaces[i])
	}
	t.plantField()
}

// plantField writes a secret that only the name of its field tells.
func (t *thread) plantField() {
	secret := drawn(lettersDigits, 32)(t.r)
	c := t.success("Bash")
	c.input = func(w *writer) { w.obj().kobj("settings").kstr("client_secret", secret).end().end() }
	t.tool(c)
	t.u.ledger.secrets = append(t.u.ledger.secrets, SecretTruth{Kind: "generic token", Place: "field of that name", Texts: []string{secret}})
}

// plantBroken writes a session with a line that a crash has cut behind a secret, and one that is no JSON at all.
func (u *unit) plantBroken(v cli) {
	t := u.small(v, u.r.uuid())
	t.say("what did the other session do?")
	for i, kind := range []int{2, 15, 39, len(secretKinds) - 1} {
		k := &secretKinds[kind]
		secret := k.draw(u.r)
		w := &writer{}
		w.obj().kstr("type", "user").kobj("message").kstr("role", "user").kstr("content", "use "+k.known(secret)+" now")
		text := w.b
		if i%2 == 1 {
			text = []byte("panic: cannot open " + strings.ReplaceAll(k.known(secret), "\n", " ") + " (denied)")
		}
		begin := len(t.f.b)
		t.f.b = append(t.f.b, text...)
		t.f.broken = append(t.f.broken, Place{Offset: int64(begin), Size: int64(len(text)), Reason: "broken line with a secret"})
		t.f.b = append(t.f.b, '\n')
		u.ledger.secrets = append(u.ledger.secrets, SecretTruth{
			Kind: k.name, Place: "broken line", Texts: []string{secret, strings.ReplaceAll(secret, "\n", `\n`), strings.ReplaceAll(secret, "\n", " ")},
		})
	}
	t.say("and now?")
}
