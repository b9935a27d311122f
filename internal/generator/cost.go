package generator

import (
	"regexp"
	"strings"
)

// rates are what a token costs, in billionths of a dollar; fast is by how much all of them cost more in fast mode.
type rates struct{ input, output, read, write5m, write1h, fast int64 }

// Prices of the models that transcripts are generated with, written down apart from the price list that they check.
var (
	oldOpus    = rates{15000, 75000, 1500, 18750, 30000, 0}
	opus45     = rates{5000, 25000, 500, 6250, 10000, 0}
	opus46     = rates{5000, 25000, 500, 6250, 10000, 6}
	opus48     = rates{5000, 25000, 500, 6250, 10000, 2}
	sonnet     = rates{3000, 15000, 300, 3750, 6000, 0}
	longSonnet = rates{6000, 22500, 600, 7500, 12000, 0} // Sonnet 4 and 4.5, the prompt beyond 200,000 tokens
	sonnet5    = rates{2000, 10000, 200, 2500, 4000, 0}
	fable5     = rates{10000, 50000, 1000, 12500, 20000, 0}
	haiku35    = rates{800, 4000, 80, 1000, 1600, 0}
	haiku45    = rates{1000, 5000, 100, 1250, 2000, 0}
)

var ratesOf = map[string]rates{
	"claude-opus-4": oldOpus, "claude-opus-4-1": oldOpus, "claude-opus-4-5": opus45, "claude-opus-4-6": opus46, "claude-opus-4-8": opus48,
	"claude-opus-5": opus48, "claude-sonnet-4": sonnet, "claude-sonnet-4-5": sonnet, "claude-sonnet-4-6": sonnet, "claude-sonnet-5": sonnet5,
	"claude-fable-5": fable5, "claude-3-5-haiku": haiku35, "claude-haiku-4-5": haiku45,
}

var versionDate = regexp.MustCompile(`-20\d{6}$`)

const (
	longPrompt    = 200_000
	webSearchCost = 10_000_000 // a cent
)

// costOf is what a request costs, in billionths of a dollar; known is false where nobody can say.
func costOf(model string, t Tokens, fast bool) (cost int64, known bool) {
	name := versionDate.ReplaceAllString(model, "")
	r, known := ratesOf[name]
	if !known || fast && r.fast == 0 {
		return 0, false
	}
	if r == sonnet && !strings.HasSuffix(name, "-4-6") && t.Input+t.CacheRead+t.CacheCreation > longPrompt {
		r = longSonnet
	}
	write5m := t.CacheCreation - t.Cache1h
	cost = t.Input*r.input + t.Output*r.output + t.CacheRead*r.read + write5m*r.write5m + t.Cache1h*r.write1h
	if fast {
		cost *= r.fast
	}
	return cost + t.WebSearches*webSearchCost, true
}

// price sets what the tokens of one request cost.
func (t *Tokens) price(model string, fast bool) {
	cost, known := costOf(model, *t, fast)
	t.Cost, t.Unpriced = cost, 0
	if !known {
		t.Unpriced = 1
	}
}
