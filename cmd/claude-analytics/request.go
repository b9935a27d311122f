package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
)

// decodeRequest reads the body of a request; an empty one is the empty request. What is not known is refused, here and for
// every endpoint: a dry_run that is misspelt would delete, a bound that is misspelt would take everything.
func decodeRequest[Request any](body []byte) (request Request, err error) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return request, nil
	}
	if body[0] != '{' {
		return request, usagef("the request must be a JSON object such as {}")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil {
		return request, usagef("the request cannot be read: %s (%s)", strings.TrimPrefix(err.Error(), "json: "), knownFields[Request]())
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return request, usagef("the request goes on behind its JSON object")
	}
	return request, nil
}

// knownFields says what a request may hold.
func knownFields[Request any]() string {
	names := fieldNames(reflect.TypeFor[Request]())
	if len(names) == 0 {
		return "no fields are known here"
	}
	return "known fields: " + strings.Join(names, ", ")
}

func fieldNames(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && name == "":
			names = append(names, fieldNames(field.Type)...)
		case name != "" && name != "-":
			names = append(names, name)
		}
	}
	return names
}
