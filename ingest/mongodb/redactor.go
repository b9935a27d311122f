package mongodb

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"claude-analytics/proto"
)

// Redactor replaces secrets. Where there is nothing to replace it returns what it was given; what is not BSON is taken
// for text.
type Redactor interface {
	Document(bson.Raw) (bson.Raw, []*proto.Finding)
	Text([]byte) ([]byte, []*proto.Finding)
	// Version is that of the rules, not 0.
	Version() uint32
}
