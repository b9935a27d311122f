package scripted

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// eventToken has the form of mongod's: the cluster time can be read from it, the rest is for the server alone.
func eventToken(e event) bson.D {
	data := timePrefix(e.at) + "2B042C0100296E5A1004" + strings.Repeat("00", 16)
	if e.id.Type != 0 {
		data += "46645F696400" + strings.ToUpper(hex.EncodeToString(e.id.Value)) + "00"
	}
	return bson.D{{Key: "_data", Value: data + "04"}}
}

// Token is the token of a moment between changes, as an idle stream's replies carry it.
func Token(at bson.Timestamp) bson.D {
	return bson.D{{Key: "_data", Value: timePrefix(at) + "2B0229296E04"}}
}

func timePrefix(at bson.Timestamp) string { return fmt.Sprintf("82%08X%08X", at.T, at.I) }

// tokenTime is the cluster time in a token of either kind.
func tokenTime(token bson.RawValue) (bson.Timestamp, bool) {
	doc, ok := token.DocumentOK()
	if !ok {
		return bson.Timestamp{}, false
	}
	data, ok := doc.Lookup("_data").StringValueOK()
	if !ok || len(data) < 18 || !strings.HasPrefix(data, "82") {
		return bson.Timestamp{}, false
	}
	at, err := strconv.ParseUint(data[2:18], 16, 64)
	return bson.Timestamp{T: uint32(at >> 32), I: uint32(at)}, err == nil
}
