// Package transcript is the source that reads Claude Code's transcripts: it follows every *.jsonl file below one or
// more folders and hands over each JSON object in it as a change, ready to publish.
//
// Three ideas, each in files of its own:
//
//   - Reader takes the bytes of one file apart into objects and broken parts. It is pure: the same bytes give the same
//     items, however they arrive.
//   - A mark says how far a file has been read and what its bytes were, so that a file which was appended to is told
//     from one that was rewritten, truncated, or renamed.
//   - Follower finds files, notices what changes, and lets a few workers read and convert slices of them, in order
//     within a file, oldest file first when there is a backlog.
//
// Nothing here keeps progress: the mark after each item travels with it into the stream, and comes back from there.
package transcript
