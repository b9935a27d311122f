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

// maxDiffCells bounds a comparison: texts that are longer, and differ in more than some 700 lines, count as replaced.
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
	var common int64
	if len(a)*len(b) <= maxDiffCells {
		common = commonLines(a, b)
	} else {
		common = nearlyAlike(a, b)
	}
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

// nearlyAlike is commonLines for texts of which most is common, in time that grows with what is not (Myers, "An O(ND)
// Difference Algorithm and Its Variations", 1986): 0 if that is too much.
func nearlyAlike(a, b []string) int64 {
	// furthest[k] is how far into a one comes with d lines added and removed, k more removed than added.
	furthest := map[int]int{1: 0}
	for d, cells := 0, 0; cells < maxDiffCells; d++ {
		for k := -d; k <= d; k, cells = k+2, cells+1 {
			x := furthest[k-1] + 1
			if k == -d || k != d && furthest[k-1] < furthest[k+1] {
				x = furthest[k+1]
			}
			for x < len(a) && x-k < len(b) && a[x] == b[x-k] {
				x++
			}
			if x >= len(a) && x-k >= len(b) {
				return int64(len(a)+len(b)-d) / 2
			}
			furthest[k] = x
		}
	}
	return 0
}
