// Package ingest brings sources into the stream. Each source is a lane: one writer, its own order and position.
//
// A change reaches the stream in order, without gap and without duplicate: a batch is stored whole or not at all, only
// behind the lane's last message, and the position that covers it stands in it. So the stream itself is the checkpoint.
// What was read but not published when a process ends is read again from the position, and nothing else is.
package ingest
