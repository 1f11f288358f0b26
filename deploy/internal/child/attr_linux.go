package child

import "syscall"

// attr ends the child with its parent, and keeps a Ctrl-C meant for the parent away from it.
func attr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
