package config

import (
	"errors"
	"regexp"
	"strings"

	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"claude-analytics/internal/mask"
)

// checkMongoURI sees that the driver can read the address; it asks no name server. What the driver says is of the address without
// its secrets, since it quotes what it cannot read.
func checkMongoURI(uri string) error {
	if strings.HasPrefix(uri, "mongodb+srv://") {
		return nil // reading it asks the name server
	}
	if !strings.HasPrefix(uri, "mongodb://") {
		return errors.New("must begin with mongodb:// or mongodb+srv://")
	}
	if _, err := connstring.ParseAndValidate(uri); err == nil {
		return nil
	}
	if _, err := connstring.ParseAndValidate(mask.Without(uri)); err != nil {
		return errors.New("use mongodb://user:password@host:27017/?replicaSet=rs0: " + err.Error())
	}
	return errors.New("user, password, or an option that holds a secret cannot be read: write : / ? # [ ] @ % in them as %3A %2F %3F %23 %5B %5D %40 %25")
}

// duckdbSize is a size as DuckDB reads it.
var duckdbSize = regexp.MustCompile(`(?i)^[0-9]+(\.[0-9]+)?\s*(b|bytes?|[kmgt]i?b?|%)$`)

// checkMemoryLimit sees that DuckDB will read the limit.
func checkMemoryLimit(limit string) error {
	if limit == "" || duckdbSize.MatchString(limit) && strings.ContainsAny(limit, "123456789") {
		return nil
	}
	return errors.New("must be a size with its unit such as 512MiB, 2GB or 20%")
}
