// Package document takes one conversation document apart: JSON to BSON on the way in, BSON to the columns of bronze
// on the way out. It is pure: no I/O, no state between documents, no clock.
package document

import (
	"errors"
	"fmt"
)

// RuleVersion is the version of the rules by which Convert derives columns. It is raised whenever the same document
// would give another row or other blocks, so that a warehouse built by older rules is known and can be rebuilt.
const RuleVersion = 1

// Depth limits, in nested objects and arrays, the document itself being the first. They bound recursion, so that no
// document can exhaust the stack.
const (
	// MaxJSONDepth is MongoDB's own limit for a stored document: what it would refuse is refused here.
	MaxJSONDepth = 200
	// MaxBSONDepth is the most that a MongoDB server can be configured to store.
	MaxBSONDepth = 1000
)

// RulesVersion is the version of the rules by which Convert makes rows and blocks of a document; it stands in every row
// of the warehouse and every file of the lake. Whoever changes what Convert returns for any document raises it, and a
// replay then converts the rows anew that were made by others.
const RulesVersion = 2

// MaxSize is the largest document, bytes of BSON.
const MaxSize = 1<<31 - 1

var (
	// ErrIncomplete is returned when the input ends before the object does; more bytes may complete it. Input of
	// nothing but white space is incomplete too.
	ErrIncomplete = errors.New("JSON object is incomplete")
	// ErrSyntax matches every *SyntaxError.
	ErrSyntax = errors.New("invalid JSON")
	// ErrNotObject is returned for input that starts with a JSON value other than an object.
	ErrNotObject = errors.New("JSON value is not an object")
	// ErrTooDeep is returned for a document nested deeper than MaxJSONDepth or MaxBSONDepth.
	ErrTooDeep = errors.New("document is nested too deeply")
	// ErrTooLarge is returned for an object that would exceed MaxSize as BSON.
	ErrTooLarge = errors.New("document is too large for BSON")
	// ErrNoDocument is returned by Convert for a change that carries no document (a delete, a drop, an update whose
	// document was gone).
	ErrNoDocument = errors.New("change carries no document")
	// ErrMalformed is returned for bytes that are not BSON.
	ErrMalformed = errors.New("malformed BSON")
)

// SyntaxError says where and why input is not JSON.
type SyntaxError struct {
	// Offset is the first byte of the input that cannot be part of an object.
	Offset int
	// Detail is what was expected or found.
	Detail string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("invalid JSON at byte %d: %s", e.Offset, e.Detail)
}

// Is makes errors.Is(err, ErrSyntax) true.
func (e *SyntaxError) Is(target error) bool { return target == ErrSyntax }
