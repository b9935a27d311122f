// Package verify answers "is everything there?": it compares source ↔ stream ↔ lake ↔ warehouse ↔ marts and names each
// difference with the command that repairs it. It changes nothing.
//
// Every level is compared with the one before it, so that a fault is told once, where it is:
//
//   - source: documents that the source holds, its position says are published, and neither lake nor warehouse knows.
//   - stream: changes that the lake holds and the stream, where retention has not been, does not.
//   - lake: the manifest against the files, and against what stream and warehouse know of its ranges.
//   - warehouse: bronze against the newest version of each key in the lake, and against itself.
//   - marts: stored rows against the same models computed aside.
//
// A moment is fixed by order: of lake and warehouse only what stands at or below both watermarks is compared, of a
// source only what its position covers. What still differs is looked at again once the pipeline has caught up, and only
// what stays is told.
package verify
