package config

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/joho/godotenv"
)

// readFile reads the settings file. What is wrong with one is told by its line, never by its text: it holds secrets.
func readFile(in Input) (map[string]string, error) {
	if in.File == "" {
		return nil, nil
	}
	text, err := os.ReadFile(in.File)
	if errors.Is(err, os.ErrNotExist) && !in.FileRequired {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read settings file: %w", err)
	}
	values, err := godotenv.UnmarshalBytes(text)
	if err != nil {
		return nil, fmt.Errorf("%w: settings file %s, line %d: it must be NAME=VALUE, with an end to each quote", ErrInvalid, in.File, badLine(string(text)))
	}
	return values, nil
}

// badLine is the line at which the first statement that cannot be read begins: those above it can be.
func badLine(text string) int {
	lines := strings.SplitAfter(text, "\n")
	good := len(lines) - 1
	for ; good > 0; good-- {
		if _, err := godotenv.Unmarshal(strings.Join(lines[:good], "")); err == nil {
			break
		}
	}
	for good < len(lines)-1 {
		if line := strings.TrimSpace(lines[good]); line != "" && line[0] != '#' {
			break
		}
		good++
	}
	return good + 1
}
