package generator

// secretKind is a kind of secret, none of which was ever valid: each is drawn, in the form of its kind. No text of the
// program holds one, so that whatever looks for secrets finds none there.
type secretKind struct {
	name string
	draw func(r *rng) string
	// beside is what stands before it where it is known only by that; empty: it is known by itself.
	beside string
}

// drawn is a secret that begins with its parts and goes on with n characters of an alphabet.
func drawn(alphabet string, n int, parts ...string) func(r *rng) string {
	return func(r *rng) string {
		var b []byte
		for _, part := range parts {
			b = append(b, part...)
		}
		for range n {
			b = append(b, alphabet[r.intn(len(alphabet))])
		}
		return string(b)
	}
}

const (
	lettersDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	lowerDigits   = "abcdefghijklmnopqrstuvwxyz0123456789"
	upperBase32   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	digits        = "0123456789"
)

// dotted joins several drawn parts.
func dotted(between string, parts ...func(r *rng) string) func(r *rng) string {
	return func(r *rng) string {
		text := ""
		for i, part := range parts {
			if i > 0 {
				text += between
			}
			text += part(r)
		}
		return text
	}
}

// privateKey has the form of a key file's block; hidden is what must not be found of it.
func privateKey(r *rng) string {
	dashes := "-----"
	text := dashes + "BEGIN RSA PRIV" + "ATE KEY" + dashes + "\n"
	for range 6 {
		text += drawn(lettersDigits+"+/", 64)(r) + "\n"
	}
	return text + dashes + "END RSA PRIV" + "ATE KEY" + dashes
}

// secretKinds are all of them.
var secretKinds = []secretKind{
	{"aws access key", drawn(upperBase32, 16, "AK", "IA"), ""},
	{"aws secret key", drawn(lettersDigits, 40), "aws_secret_access_key = "},
	{"github token", drawn(lettersDigits, 36, "gh", "p_"), ""},
	{"github app token", drawn(lettersDigits, 36, "gh", "s_"), ""},
	{"github oauth", drawn(lettersDigits, 36, "gh", "o_"), ""},
	{"github fine-grained token", drawn(lettersDigits, 82, "github", "_pat_"), ""},
	{"gitlab token", drawn(lettersDigits, 20, "gl", "pat-"), ""},
	{"gitlab trigger", drawn("0123456789abcdef", 40, "gl", "ptt-"), ""},
	{"anthropic key", dotted("", drawn(lettersDigits, 93, "sk-", "ant-", "api03-"), drawn("A", 2)), ""},
	{"claude oauth token", drawn(lettersDigits, 80, "sk-", "ant-", "oat01-"), ""},
	{"openai project key", drawn(lettersDigits, 48, "sk-", "proj-"), ""},
	{"openai key", dotted("T3B"+"lbkFJ", drawn(lettersDigits, 20, "s", "k-"), drawn(lettersDigits, 20)), ""},
	{"slack bot token", dotted("-", drawn(digits, 12, "xo", "xb-"), drawn(digits, 12), drawn(lettersDigits, 24)), ""},
	{"slack webhook", drawn(lettersDigits, 44, "https://hooks.", "slack.com/services/"), ""},
	{"stripe key", drawn(lettersDigits, 24, "sk", "_live_"), ""},
	{"google api key", drawn(lettersDigits, 35, "AI", "za"), ""},
	{"google oauth token", drawn(lettersDigits, 60, "ya", "29."), ""},
	{"npm token", drawn(lowerDigits, 36, "np", "m_"), ""},
	{"pypi token", drawn(lettersDigits, 80, "pypi-", "AgEIcHlwaS5vcmc"), ""},
	{"sendgrid token", drawn(lettersDigits, 66, "S", "G."), ""},
	{"shopify token", drawn("0123456789abcdef", 32, "shp", "at_"), ""},
	{"digitalocean token", drawn("0123456789abcdef", 64, "dop", "_v1_"), ""},
	{"hugging face token", drawn("abcdefghijklmnopqrstuvwxyz", 34, "h", "f_"), ""},
	{"databricks token", drawn("0123456789abcdef", 32, "da", "pi"), ""},
	{"linear key", drawn(lowerDigits, 40, "lin", "_api_"), ""},
	{"notion token", dotted("", drawn(digits, 11, "nt", "n_"), drawn(lettersDigits, 35)), ""},
	{"grafana token", dotted("_", drawn(lettersDigits, 32, "gl", "sa_"), drawn("0123456789abcdef", 8)), ""},
	{"vault token", drawn(lettersDigits, 95, "hv", "s."), ""},
	{"age key", drawn("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58, "AGE-SECRET", "-KEY-1"), ""},
	{"postman key", dotted("-", drawn("0123456789abcdef", 24, "PM", "AK-"), drawn("0123456789abcdef", 34)), ""},
	{"pulumi token", drawn("0123456789abcdef", 40, "pu", "l-"), ""},
	{"rubygems token", drawn("0123456789abcdef", 48, "ruby", "gems_"), ""},
	{"jwt", dotted(".", drawn(lettersDigits, 34, "ey", "J"), drawn(lettersDigits, 60, "ey", "J"), drawn(lettersDigits, 43)), ""},
	{"groq key", drawn(lettersDigits, 52, "gs", "k_"), ""},
	{"tailscale key", dotted("-", drawn(lettersDigits, 16, "ts", "key-auth-"), drawn(lettersDigits, 32)), ""},
	{"supabase token", drawn("0123456789abcdef", 40, "sb", "p_"), ""},
	{"azure storage key", dotted("", drawn(lettersDigits+"+/", 86), func(*rng) string { return "==" }), "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey="},
	{"adafruit key", drawn(lowerDigits, 32), "adafruit_api_key: "},
	{"datadog token", drawn(lowerDigits, 40), "datadog_token = "},
	{"generic token", drawn(lettersDigits, 40), "ACCESS_TOKEN="},
	{"bearer token", drawn(lettersDigits, 48), "Authorization: Bearer "},
	{"password of an assignment", drawn(lettersDigits+"!@#%", 18), "password = "},
	{"password of a URL", drawn(lettersDigits, 20), "postgres://app:"},
	{"private key", privateKey, ""},
}

// known is the secret with what it is known by.
func (k *secretKind) known(secret string) string {
	switch k.name {
	case "password of an assignment":
		return k.beside + `"` + secret + `"`
	case "password of a URL":
		return k.beside + secret + "@db.example.net:5432/shop"
	}
	return k.beside + secret
}

// SecretTruth is a secret that was planted.
type SecretTruth struct {
	Kind  string `json:"kind"`
	Place string `json:"place"`
	// Texts are what must not be found anywhere behind redaction: the secret as it was written, piece by piece.
	Texts []string `json:"texts"`
}
