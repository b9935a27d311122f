// Package stream is the bus between sources and destinations, and the only importer of NATS: an embedded server or a
// connection to an external one, the streams, fenced atomic batches into a lane, consumers placed by their
// destination's watermark, our own retention, service endpoints and events.
//
// What it promises:
//
//   - A batch lands whole or not at all, and only behind the message that its writer knows to be the lane's last: a
//     gap, a reorder, a duplicate and a stale writer are refused by the server. A position stands in the batch whose
//     data it covers, so it is never ahead of the data.
//   - Publish returns only when the outcome is known. A lost acknowledgement is resolved by reading the lane's last
//     message back.
//   - A Consumer hands out what the stream holds after its place in order, none twice and none left out. Whatever
//     breaks that (a recreated stream, a lost tail) is ErrStreamChanged, never a silent hole. Holes where messages
//     were purged, erased or rolled up are normal.
//   - What is acknowledged to a writer, and what a Consumer hands out, is durable: with the embedded server, and an
//     external one with sync_interval: always, it is on the disk.
package stream
