package stream

import (
	"errors"
	"strings"
	"testing"
)

func TestEnoughRoom(t *testing.T) {
	if err := enoughRoom("/d", leastRoom+2000, 1000); err != nil {
		t.Error(err)
	}
	err := enoughRoom("/d", leastRoom+1999, 1000)
	if !errors.Is(err, ErrNoRoom) || !isTemporary(err) || !strings.Contains(err.Error(), "/d") || !strings.Contains(err.Error(), "make room") {
		t.Error(err)
	}
}
