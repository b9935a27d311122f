package mongotest

import (
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// process is one run of the server's program.
type process struct {
	cmd    *exec.Cmd
	out    ending
	exited chan struct{}
}

// startProcess runs the program in a directory of its own, removed when it ends: a killed server leaves its files there.
func startProcess(program string, args []string) (*process, error) {
	scratch, err := os.MkdirTemp("", "mongotest")
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(program, args...), exited: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = scratch, append(os.Environ(), "TMPDIR="+scratch, "HOME="+scratch)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.SysProcAttr = dieWithParent()
	if err := p.cmd.Start(); err != nil {
		_ = os.RemoveAll(scratch)
		return nil, err
	}
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait() // how it ended tells nothing: it is nearly always killed
		_ = os.RemoveAll(scratch)
	}()
	return p, nil
}

// stop asks for an orderly end, and insists after a while.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
	select {
	case <-p.exited:
	case <-time.After(patience / 4):
		p.kill()
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// tail is the end of what the program wrote.
func (p *process) tail() string { return p.out.String() }

// ending keeps the last few KB written to it.
type ending struct {
	mu  sync.Mutex
	buf []byte
}

const endingSize = 16 << 10

func (e *ending) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.buf = append(e.buf, b...)
	if over := len(e.buf) - endingSize; over > 0 {
		e.buf = append(e.buf[:0], e.buf[over:]...)
	}
	return len(b), nil
}

func (e *ending) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return string(e.buf)
}
