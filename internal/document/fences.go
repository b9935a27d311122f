package document

import (
	"slices"
	"strings"
)

const (
	reminderOpen  = "<system-reminder>"
	reminderClose = "</system-reminder>"
)

// withoutReminders is text without what the CLI wrapped in <system-reminder> and put into the user's mouth. If it took
// any out, the white space around what is left goes too. A wrapper that is never closed is text.
func withoutReminders(text string) string {
	if !strings.Contains(text, reminderOpen) {
		return text
	}
	var b strings.Builder
	taken := false
	for {
		before, rest, found := strings.Cut(text, reminderOpen)
		if !found {
			break
		}
		_, after, closed := strings.Cut(rest, reminderClose)
		if !closed {
			break
		}
		b.WriteString(before)
		text, taken = after, true
	}
	if !taken {
		return text
	}
	b.WriteString(text)
	return strings.TrimSpace(b.String())
}

// fencedBlocks counts a text's fenced code blocks, and lists the first words of their info strings, lower case,
// distinct and sorted. A block opens with a line of three or more backticks or tildes, indented by at most three
// spaces, and ends with a line of at least as many of the same, or with the text.
func fencedBlocks(text string) (count int, languages []string) {
	if !strings.Contains(text, "```") && !strings.Contains(text, "~~~") {
		return 0, nil
	}
	var open fence
	for line := range strings.Lines(text) {
		f, ok := parseFence(line)
		switch {
		case !ok:
		case open.size == 0:
			if f.char == '`' && strings.Contains(f.info, "`") {
				continue // inline code
			}
			open = f
			count++
			if word := firstWord(f.info); word != "" {
				languages = append(languages, word)
			}
		case f.char == open.char && f.size >= open.size && f.info == "":
			open = fence{}
		}
	}
	slices.Sort(languages)
	return count, slices.Compact(languages)
}

// fence is a line that can open or close a block.
type fence struct {
	char byte
	size int
	info string
}

func parseFence(line string) (fence, bool) {
	body := strings.TrimLeft(line, " ")
	if len(line)-len(body) > 3 || len(body) < 3 || body[0] != '`' && body[0] != '~' {
		return fence{}, false
	}
	rest := strings.TrimLeft(body, body[:1])
	f := fence{char: body[0], size: len(body) - len(rest), info: strings.TrimSpace(rest)}
	return f, f.size >= 3
}

// firstWord is an info string's language: "rust" of "rust,ignore" and of "rust {linenos}".
func firstWord(info string) string {
	if i := strings.IndexAny(info, " \t,{"); i >= 0 {
		info = info[:i]
	}
	return strings.ToLower(info)
}
