package main

import (
	"fmt"
	"os"
	"strings"

	"claude-analytics/modeler/prices"
)

// checkPrices reads the price list of PRICES as the modeler would.
func checkPrices(path string) finding {
	const name, remedy = "prices", "correct the file, or unset PRICES; until then the marts stay as they are"
	text, err := os.ReadFile(path)
	if err != nil {
		return bad(name, err.Error(), remedy)
	}
	rows, faults := prices.Read(path, text)
	if len(faults) > 0 {
		return bad(name, strings.ReplaceAll(faults.Error(), "\n", "; "), remedy)
	}
	return good(name, fmt.Sprintf("%s, %d prices", path, len(rows)))
}
