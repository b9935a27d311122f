package mongotest

import "syscall"

// dieWithParent: a test that dies must not leave servers behind.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
