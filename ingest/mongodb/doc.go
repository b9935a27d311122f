// Package mongodb reads a MongoDB collection: what it holds, and then every change to it, without a gap.
//
// The change stream is opened first and its token kept; then the collection is read in the order of _id, each document
// published before any change that came after it was read; then the changes from the token on. So a change is never
// missed, and a document that both the snapshot and the change stream carry ends as its last change has it. While a
// snapshot goes on the changes are read too, in turns, so that neither a long snapshot outlives the server's history
// nor the marts wait for its end.
//
// A snapshot ends with a fence: what was published of the collection before it began, and was not seen since, is gone.
//
// The position, resume token and progress of the snapshot, stands in each batch that is published. This package knows
// neither the stream nor its lanes: it hands over Pieces, and is told when they are durable.
package mongodb
