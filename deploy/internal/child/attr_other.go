//go:build !linux

package child

import "syscall"

// attr keeps a Ctrl-C meant for the parent away from the child, which ends with its standard input.
func attr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
