//go:build !linux

package keyed

import "syscall"

// childAttr keeps a Ctrl-C meant for the parent away from the child, which ends with its standard input.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
