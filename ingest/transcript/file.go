package transcript

// lineup says in which queue a file stands.
type lineup uint8

const (
	notQueued lineup = iota
	liveQueue
	coldQueue
)

// file is what is known of one transcript. There may be 100,000 of them, so it holds nothing that can be read again.
type file struct {
	fileKey
	mark     mark
	id       inode
	size     int64  // when it was looked at last
	seen     int64  // how far it was read, an unfinished line included
	modified int64  // when it was read last, by the file's clock; 0: never
	half     int64  // size of the unfinished line at its end
	walk     uint32 // the last full walk that showed it

	queued  lineup
	cold    bool // belongs to the backlog that was there at the start
	running bool // a worker has it
	dirty   bool // something happened while a worker had it
	absent  bool // there is no such file now
	failed  bool // it could not be read
	// replaced: another file has the name. Where the one before went is looked for before this one is read.
	replaced bool
}

// behind is how many bytes of the file have not been read, an unfinished line apart.
func (f *file) behind() int64 {
	if f.absent {
		return 0
	}
	return max(0, f.size-f.mark.offset-f.half)
}

// queue holds the files that are to be read. Files in which something happened take turns, each slice one turn. The
// backlog of the start is read oldest file first, each to its end, so that what belongs together by time ends up
// together. The two take turns with each other, so that neither can starve.
type queue struct {
	live []*file
	cold []*file // the last is next
	turn bool    // the backlog is next
}

// push puts a file into the queue it belongs to, unless it is in one.
func (q *queue) push(f *file) {
	switch {
	case f.queued == liveQueue, f.queued == coldQueue && f.cold:
	case f.cold:
		f.queued = coldQueue
		q.cold = append(q.cold, f)
	default:
		// One that still stands in the backlog stands there in vain from now on.
		f.queued = liveQueue
		q.live = append(q.live, f)
	}
}

// next is the file whose turn it is, or nil; it stays in the queue until pop.
func (q *queue) next() *file {
	for len(q.cold) > 0 && q.cold[len(q.cold)-1].queued != coldQueue {
		q.cold = q.cold[:len(q.cold)-1]
	}
	switch {
	case len(q.live) == 0 && len(q.cold) == 0:
		return nil
	case len(q.live) == 0, q.turn && len(q.cold) > 0:
		return q.cold[len(q.cold)-1]
	}
	return q.live[0]
}

// pop takes f, which next returned, out of the queue.
func (q *queue) pop(f *file) {
	if f.queued == coldQueue {
		q.cold = q.cold[:len(q.cold)-1]
		q.turn = false
	} else {
		q.live[0] = nil
		q.live = q.live[1:]
		q.turn = true
	}
	f.queued = notQueued
}

func (q *queue) empty() bool { return q.next() == nil }
