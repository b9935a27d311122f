package stream

import (
	"fmt"
	"strconv"
	"strings"
)

// MinServerVersion is the oldest NATS server that will do: consumer reset below the acknowledgement floor, atomic
// batches with one flush each, and rollups inside them are needed.
const MinServerVersion = "2.15.2"

// checkVersion returns ErrServerTooOld, naming both versions and the remedy, for a server below MinServerVersion. A
// pre-release counts as older than its release; what is no version at all is refused too.
func checkVersion(version string) error {
	have, pre, ok := parseVersion(version)
	want, _, _ := parseVersion(MinServerVersion)
	if ok {
		for i := range want {
			if have[i] > want[i] {
				return nil
			}
			if have[i] < want[i] {
				ok = false
				break
			}
		}
		if ok && !pre {
			return nil
		}
	}
	if version == "" {
		version = "of unknown version"
	}
	return fmt.Errorf("%w: it is %s, at least %s is needed; upgrade the server, or unset NATS_URL to use the embedded one",
		ErrServerTooOld, version, MinServerVersion)
}

// parseVersion takes MAJOR.MINOR.PATCH apart, with an optional leading v; pre is true for a pre-release. Build
// metadata after + is ignored.
func parseVersion(version string) (number [3]int, pre, ok bool) {
	version = strings.TrimPrefix(version, "v")
	version, _, _ = strings.Cut(version, "+")
	version, _, pre = strings.Cut(version, "-")
	parts := strings.Split(version, ".")
	if len(parts) != len(number) {
		return number, pre, false
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return number, pre, false
		}
		number[i] = n
	}
	return number, pre, true
}
