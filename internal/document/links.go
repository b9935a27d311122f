package document

import (
	"slices"

	"github.com/cespare/xxhash/v2"
)

// LinkKeys are the hashes of what a document shares with others, distinct and sorted: its uuid, its response key and the tool
// calls that it makes, answers or reports on. Sessions that hold the same hash are refreshed together. The hashes are
// xxhash64 of "u:"+uuid, "r:"+response_key and "t:"+tool_use_id.
func LinkKeys(row *Row, blocks []Block) []uint64 {
	keys := make([]uint64, 0, 3+len(blocks))
	add := func(prefix, text string) {
		var d xxhash.Digest
		d.Reset()
		_, _ = d.WriteString(prefix) // never fails
		_, _ = d.WriteString(text)
		keys = append(keys, d.Sum64())
	}
	if row.UUID.Valid {
		add("u:", row.UUID.V)
	}
	add("r:", row.ResponseKey)
	if row.SourceToolUseID.Valid {
		add("t:", row.SourceToolUseID.V)
	}
	for i := range blocks {
		if id := blocks[i].ToolUseID; id.Valid {
			add("t:", id.V)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
