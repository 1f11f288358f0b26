//go:build !linux

package kafkatest

import "syscall"

// childAttr leaves the child in the parent's process group: without a parent-death signal, a Ctrl-C that reaches both is
// what keeps it from staying behind.
func childAttr() *syscall.SysProcAttr { return nil }
