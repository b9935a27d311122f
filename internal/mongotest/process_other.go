//go:build !linux

package mongotest

import "syscall"

// dieWithParent has no counterpart here: a test that dies leaves its server running.
func dieWithParent() *syscall.SysProcAttr { return nil }
