package kafkatest

import "syscall"

// childAttr ends the child with its parent, however that dies, and keeps a Ctrl-C meant for the parent away from it: the
// parent may still want to flush into the broker.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
