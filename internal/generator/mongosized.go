package generator

import (
	"context"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/mongo"
)

const (
	sizedSession = 50   // documents of a session
	sizedPrompts = 1000 // documents of fewer bytes are all prompts: there is no room for an answer's fields
	sizedPool    = 64 << 10
)

// FillMongo inserts simple prompts and answers of about size bytes of BSON each, as many as documents says, or, if that
// is 0, until ctx ends, which then is no error. It is for measuring with documents of one size: less than some 265 bytes
// cannot be had, and nothing but the number of documents is told of them. Config says no more than the seed.
func (g *Generator) FillMongo(ctx context.Context, coll *mongo.Collection, size int, documents int64, opts MongoOptions) (MongoResult, error) {
	if size < 1 || size > maxMongoDocument {
		return MongoResult{}, fmt.Errorf("fill collection: a document of %d bytes: MongoDB holds 1 to %d", size, maxMongoDocument)
	}
	w := g.newMongoWriter(coll, opts, "sized churn")
	w.rate = opts.Rate
	s := newSizer(g.cfg, size)
	wanted := documents
	if wanted == 0 {
		wanted = math.MaxInt64
	}
	var err error
	for n := int64(0); n < wanted && err == nil; n++ {
		if err = w.add(ctx, s.next(n)); opts.Progress != nil && n%sizedSession == 0 {
			opts.Progress(n, documents)
		}
	}
	if documents == 0 && ctx.Err() != nil {
		err = nil
	}
	err = w.finish(ctx, err)
	return w.result, err
}

// sizer writes records of one size.
type sizer struct {
	r       *rng
	size    int
	start   int64
	pool    string // texts are parts of it: making each anew would take longer than inserting it
	fixed   [2]int // bytes of a prompt and of an answer without their text, as BSON
	session string
	parent  string
}

func newSizer(cfg Config, size int) *sizer {
	s := &sizer{r: derive(cfg.Seed, "sized", uint64(size)), size: size, start: cfg.Start.UnixMilli()}
	s.pool = string(newProject(cfg.Seed, 0).lex.prose(nil, s.r, size+sizedPool, nil))
	for i := range s.fixed {
		probe := *s
		probe.r, probe.session, probe.parent = s.r.fork(), sizedName(0), s.r.uuid()
		s.fixed[i] = len(probe.record(0, i == 1, "").document(time.UnixMilli(s.start)))
	}
	return s
}

// sizedName is a session's name. Documents hold it twice, so it is short, like the name of their folder.
func sizedName(number int64) string { return fmt.Sprintf("s%d", number) }

func (s *sizer) next(n int64) mongoItem {
	if n%sizedSession == 0 {
		s.session, s.parent = sizedName(n/sizedSession), ""
	}
	answer := s.size >= sizedPrompts && n%2 == 1
	room := s.size - s.fixed[0]
	if answer {
		room = s.size - s.fixed[1]
	}
	return s.record(n, answer, s.text(max(room, len("go on"))))
}

// text is a part of the pool with about so many bytes.
func (s *sizer) text(n int) string {
	from := s.r.intn(max(1, len(s.pool)-n))
	for from > 0 && !utf8.RuneStart(s.pool[from]) {
		from--
	}
	return cut(s.pool[from:], n)
}

// record is a prompt or an answer. Documents too small for answers have no parents either.
func (s *sizer) record(n int64, answer bool, text string) mongoItem {
	w := &writer{}
	kind, uuid := "user", s.r.uuid()
	if answer {
		kind = "assistant"
	}
	w.obj()
	if s.size >= sizedPrompts {
		w.kref("parentUuid", s.parent)
	}
	w.kstr("type", kind).kstr("uuid", uuid).kstr("sessionId", s.session)
	w.key("timestamp").when(s.start + n*1000)
	w.kobj("message").kstr("role", kind)
	if answer {
		w.kstr("id", s.r.token("msg_01", 22)).kstr("model", "claude-sonnet-4-6").karr("content")
		w.obj().kstr("type", "text").kstr("text", text).end().endArr()
		w.key("usage")
		plainUsage(12, len(text)/4)(w)
	} else {
		w.kstr("content", text)
	}
	w.end().end()
	s.parent = uuid
	return mongoItem{file: "/projects/-w/" + s.session + ".jsonl", slug: "-w", object: w.b}
}
