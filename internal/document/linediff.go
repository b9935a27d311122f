package document

import "strings"

// lineChange is how many lines a change adds and removes.
type lineChange struct{ added, removed int64 }

func (n *lineChange) add(o lineChange) { n.added, n.removed = n.added+o.added, n.removed+o.removed }

// lines counts the lines of a text; a last one without a line feed counts.
func lines(text string) int64 {
	n := int64(strings.Count(text, "\n"))
	if text != "" && !strings.HasSuffix(text, "\n") {
		n++
	}
	return n
}

// maxDiffCells bounds a comparison: what differs in more lines than that counts as replaced.
const maxDiffCells = 1 << 18

// changedLines compares two texts line by line: what is not in their longest common subsequence was removed or added.
func changedLines(from, to string) lineChange {
	a, b := splitLines(from), splitLines(to)
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	n := lineChange{added: int64(len(b)), removed: int64(len(a))}
	if len(a) == 0 || len(b) == 0 || len(a)*len(b) > maxDiffCells {
		return n
	}
	common := commonLines(a, b)
	return lineChange{added: n.added - common, removed: n.removed - common}
}

func splitLines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// commonLines is the length of the longest common subsequence.
func commonLines(a, b []string) int64 {
	row := make([]int64, len(b)+1)
	for _, x := range a {
		diagonal := int64(0)
		for j, y := range b {
			above := row[j+1]
			if x == y {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(above, row[j])
			}
			diagonal = above
		}
	}
	return row[len(b)]
}
