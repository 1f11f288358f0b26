// Package suggest finds the name that somebody may have meant.
package suggest

import "slices"

// Nearest returns the one of names that is nearest to wrong, or "" when none is near enough to be a slip of the hand.
func Nearest(wrong string, names []string) string {
	best, bestDistance := "", 1+max(2, len(wrong)/4)
	for _, name := range slices.Sorted(slices.Values(names)) {
		if d := distance(wrong, name); d < bestDistance {
			best, bestDistance = name, d
		}
	}
	return best
}

// distance is Levenshtein's: single-character insertions, removals and replacements from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
