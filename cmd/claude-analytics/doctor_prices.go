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
		return finding{Check: name, Detail: err.Error(), Remedy: remedy}
	}
	rows, faults := prices.Read(path, text)
	if len(faults) > 0 {
		return finding{Check: name, Detail: strings.ReplaceAll(faults.Error(), "\n", "; "), Remedy: remedy}
	}
	return finding{Check: name, OK: true, Detail: fmt.Sprintf("%s, %d prices", path, len(rows))}
}
