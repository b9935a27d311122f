package scripted

import (
	"net"
	"sync"
)

// node is one member of the set.
type node struct {
	set      *Set
	index    int
	listener net.Listener
	running  sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

func listen(s *Set, index int) (*node, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &node{set: s, index: index, listener: l, conns: map[net.Conn]struct{}{}}, nil
}

func (n *node) address() string { return n.listener.Addr().String() }

func (n *node) serve() {
	n.running.Go(func() {
		for {
			conn, err := n.listener.Accept()
			if err != nil {
				return // closed
			}
			if n.set.refuses() || !n.keep(conn) {
				conn.Close()
				continue
			}
			n.running.Go(func() { n.converse(conn) })
		}
	})
}

// keep remembers a connection so that it can be closed; false: the node is closed itself.
func (n *node) keep(conn net.Conn) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conns == nil {
		return false
	}
	n.conns[conn] = struct{}{}
	return true
}

// converse answers a connection's commands one after the other until it ends.
func (n *node) converse(conn net.Conn) {
	defer func() {
		n.mu.Lock()
		delete(n.conns, conn)
		n.mu.Unlock()
		conn.Close()
	}()
	for {
		m, err := readMessage(conn)
		if err != nil {
			return
		}
		reply, cut := n.set.handle(n.index, m.cmd)
		out := m.answer(reply)
		if cut {
			_, _ = conn.Write(out[:len(out)/2])
			return
		}
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

func (n *node) hangup() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for conn := range n.conns {
		conn.Close()
	}
}

func (n *node) close() {
	n.listener.Close()
	n.mu.Lock()
	for conn := range n.conns {
		conn.Close()
	}
	n.conns = nil
	n.mu.Unlock()
	n.running.Wait()
}

func (s *Set) refuses() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refusing
}
