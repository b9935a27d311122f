package generator

import "strings"

// The vocabulary. Words further to the front are drawn more often (see rng.skewed).
var (
	nouns = strings.Fields(`session request file user token handler test config error state query result value cache
message index event list parser model project path key record client server table column row field stream buffer batch
worker queue job schedule retry timeout window cursor offset page route endpoint response payload header body schema
migration transaction connection pool socket channel watcher listener hook plugin module package import dependency
version release branch commit diff patch hunk merge conflict review comment issue ticket label board sprint invoice
order basket product catalog price discount payment refund account profile avatar role permission policy audit log
metric counter gauge histogram trace span alert threshold budget quota limit rate chart panel widget dialog button form
input select toggle tab sidebar footer layout theme color icon font locale translation date calendar timezone duration
interval timer clock snapshot backup archive export report summary digest checksum signature certificate secret vault
credential login logout password email template notification subscription webhook callback promise future lock mutex
semaphore barrier graph node edge tree leaf root heap stack arena allocator pointer slice array map set pair tuple
iterator generator visitor builder factory adapter bridge proxy decorator observer strategy command memento registry
resolver loader compiler lexer grammar syntax symbol scope closure binding macro annotation attribute property method
function argument parameter default fallback override constant enum flag option setting preference environment variable
container image volume network cluster deployment replica ingress gateway balancer firewall subnet region zone bucket
object blob segment partition shard ledger journal lease election quorum heartbeat probe sample fixture scenario suite
benchmark baseline regression outage incident postmortem runbook pipeline stage artifact manifest`)

	verbs = strings.Fields(`get set load parse update read write check handle send create delete find build render resolve
validate fetch store open close start stop run emit publish apply merge split join filter sort group count encode decode
compress expand flush commit rollback retry schedule defer resume pause watch notify register unregister attach detach
mount unmount wrap unwrap convert normalize format print log trace measure compare verify sign encrypt decrypt hash seed
generate copy move rename link scan walk visit collect reduce map fold drain append insert remove replace reset restore
migrate seal rotate expire refresh reload allocate release acquire lock unlock enqueue dequeue dispatch route forward
collapse toggle select focus submit upload download import export archive prune compact index lookup search match rank`)

	adjectives = strings.Fields(`new empty current existing missing small large single shared local remote stale valid
invalid optional required default internal external public private pending active idle nested flat raw clean dirty
partial complete sorted ordered unique duplicate temporary durable atomic concurrent sequential lazy eager cached
expected actual previous next first last slow fast safe brittle explicit implicit generic concrete strict loose
verbose quiet minimal broken visible hidden central global immutable mutable read-only incremental consistent`)

	fillers = strings.Fields(`the a and to of in that for with so it is this then when which because while before after
still only also now already instead rather here there both each every another other same without within between`)

	firstNames = strings.Fields(`ada bjorn chen dalia emeka farah goran hana ines jonas kavya lars mira noor olga pavel
quinn rosa sven tariq uma vera wen xenia yuki zoe`)

	nicknameWords = strings.Fields(`amber brisk calm dapper eager fuzzy gentle hazy ivory jolly keen lucid mellow nimble
olive plucky quiet rustic silver tidy umber vivid wistful young zesty drifting humming roaming singing glowing resting
wandering badger beacon canyon comet dune ember fjord glacier harbor island juniper kestrel lantern meadow nebula otter
pebble quartz river sparrow thicket uplands valley willow yarrow zephyr`)
)

// title returns a word with its first letter in upper case.
func title(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}

// lexicon holds the names one project talks about, so that its files, searches and prose repeat each other as real
// ones do.
type lexicon struct {
	idents []string // functions and variables
	types  []string
	paths  []string // relative file paths, with a slash between folders
}

func newLexicon(r *rng, size int) *lexicon {
	lex := &lexicon{}
	for range size {
		name := pick(r, verbs) + title(nouns[r.skewed(len(nouns))])
		if r.chance(0.4) {
			name += title(pick(r, nouns))
		}
		lex.idents = append(lex.idents, name)
	}
	for range size / 3 {
		lex.types = append(lex.types, title(pick(r, nouns))+title(nouns[r.skewed(len(nouns))]))
	}
	return lex
}

// expand appends a template. A tilde and a letter stand for a drawn part:
//
//	n noun  N Noun  v verb  V Verb  a adjective  i identifier  T type  p path  w filler word
//	d small number  D larger number  h short hash  s phrase  u first name  S sentence  ~~ a tilde
func (lex *lexicon) expand(b []byte, r *rng, template string) []byte {
	for i := 0; i < len(template); i++ {
		c := template[i]
		if c != '~' || i+1 == len(template) {
			b = append(b, c)
			continue
		}
		i++
		switch template[i] {
		case 'n':
			b = append(b, nouns[r.skewed(len(nouns))]...)
		case 'N':
			b = append(b, title(nouns[r.skewed(len(nouns))])...)
		case 'v':
			b = append(b, verbs[r.skewed(len(verbs))]...)
		case 'V':
			b = append(b, title(verbs[r.skewed(len(verbs))])...)
		case 'a':
			b = append(b, adjectives[r.skewed(len(adjectives))]...)
		case 'i':
			b = append(b, lex.idents[r.skewed(len(lex.idents))]...)
		case 'T':
			b = append(b, lex.types[r.skewed(len(lex.types))]...)
		case 'p':
			b = append(b, lex.paths[r.skewed(len(lex.paths))]...)
		case 'w':
			b = append(b, fillers[r.skewed(len(fillers))]...)
		case 'd':
			b = appendInt(b, r.between(1, 9))
		case 'D':
			b = appendInt(b, r.between(10, 4000))
		case 'h':
			b = append(b, r.hex(7)...)
		case 'u':
			b = append(b, pick(r, firstNames)...)
		case 's':
			for j, n := 0, r.between(2, 5); j < n; j++ {
				if j > 0 {
					b = append(b, ' ')
				}
				b = lex.word(b, r)
			}
		case 'S':
			b = lex.sentence(b, r)
		case '~':
			b = append(b, '~')
		}
	}
	return b
}

func (lex *lexicon) word(b []byte, r *rng) []byte {
	switch r.intn(5) {
	case 0, 1:
		return append(b, nouns[r.skewed(len(nouns))]...)
	case 2:
		return append(b, verbs[r.skewed(len(verbs))]...)
	case 3:
		return append(b, adjectives[r.skewed(len(adjectives))]...)
	default:
		return append(b, fillers[r.skewed(len(fillers))]...)
	}
}

var sentences = []string{
	"The ~a ~n ~w `~i` has to ~v the ~n before the ~n is read.",
	"`~i` returns a ~a ~n, ~w ~s.",
	"I'll ~v the ~n in `~p` and then ~v ~s.",
	"Now let me ~v the ~n ~w ~s.",
	"There are ~d places that ~v a ~n: `~i`, `~i` and `~i`.",
	"This means the ~n is ~a ~w the ~n is ~a.",
	"Next, ~s; after that the ~n can ~v ~w any ~n.",
	"The ~n of `~T` is ~a, so `~i` never sees the ~a ~n.",
	"Line ~D of `~p` does ~s ~w it should ~v the ~n.",
	"We only ~v when the ~n has a ~a ~n, which ~s.",
	"That leaves ~d ~n ~w ~s ~w ~s.",
	"Both `~T` and `~T` share the ~a ~n.",
}

func (lex *lexicon) sentence(b []byte, r *rng) []byte {
	return lex.expand(b, r, pick(r, sentences))
}

func appendInt(b []byte, n int) []byte {
	if n < 0 {
		b, n = append(b, '-'), -n
	}
	var digits [20]byte
	at := len(digits)
	for {
		at--
		digits[at] = byte('0' + n%10)
		if n /= 10; n == 0 {
			return append(b, digits[at:]...)
		}
	}
}
