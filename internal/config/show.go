package config

import (
	"fmt"
	"reflect"
	"strings"

	"claude-analytics/internal/mask"
)

// Entry is one setting as `claude-analytics config` shows it; secrets are masked.
type Entry struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Origin Origin `json:"origin"`
	Help   string `json:"help"`
}

// Entries lists the effective settings in the order of Config.
func (l Loaded) Entries() []Entry {
	v := reflect.ValueOf(l.Config)
	entries := make([]Entry, 0, v.NumField())
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		value := show(v.Field(i).Interface())
		switch {
		case value == "":
		case tag.Get("secret") == "all":
			value = mask.Text
		case tag.Get("secret") == "userinfo":
			value = mask.URLs(value)
		}
		name := tag.Get("env")
		entries = append(entries, Entry{Name: name, Value: value, Origin: l.Origins[name], Help: tag.Get("help")})
	}
	return entries
}

func show(value any) string {
	switch v := value.(type) {
	case []string:
		return strings.Join(v, ",")
	case bool:
		if v {
			return "on"
		}
		return "off"
	default:
		return fmt.Sprint(v)
	}
}
