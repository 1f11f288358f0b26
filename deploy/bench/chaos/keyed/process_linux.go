package keyed

import "syscall"

// childAttr ends the child with its parent, and keeps a Ctrl-C meant for the parent away from it.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
