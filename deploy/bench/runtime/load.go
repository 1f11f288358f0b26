package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the unit of processor times in /proc, the same on every Linux that Go runs on.
const ticksPerSecond = 100

// load is how busy the machine was at one moment, to tell afterwards what others took of it: a rate that was measured beside other
// work says little.
type load struct {
	at   time.Time
	busy float64 // seconds of all processors together, since the machine's start
	own  float64 // of them, the bench's own
}

// loadOf reads the machine and the processes of the bench; a process that has ended is asked for by its state.
func loadOf(pids []int, ended ...*child) (load, error) {
	l := load{at: time.Now()}
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return l, fmt.Errorf("read load: %w", err)
	}
	first, _, _ := strings.Cut(string(stat), "\n")
	for i, field := range strings.Fields(first)[1:] {
		if n, err := strconv.ParseFloat(field, 64); err == nil && i < 8 && i != 3 && i != 4 { // not idle, not waiting for a disk, guests count in user
			l.busy += n / ticksPerSecond
		}
	}
	for _, pid := range pids {
		seconds, err := cpuOf(pid)
		if err != nil {
			return l, err
		}
		l.own += seconds
	}
	for _, c := range ended {
		l.own += c.cpu().Seconds()
	}
	return l, nil
}

// cpuOf returns the processor seconds of a running process.
func cpuOf(pid int) (float64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read processor time of process %d: %w", pid, err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // the name before may have blanks
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("read processor time of process %d: %q", pid, stat)
	}
	var sum float64
	for _, f := range fields[11:13] { // user and system
		n, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return 0, fmt.Errorf("read processor time of process %d: %w", pid, err)
		}
		sum += n / ticksPerSecond
	}
	return sum, nil
}

// others returns the share of all processors, 0 to 1, that others took between two moments.
func (l load) others(since load) float64 {
	took := l.at.Sub(since.at).Seconds() * float64(runtime.NumCPU())
	if took <= 0 {
		return 0
	}
	return max(0, (l.busy-since.busy-(l.own-since.own))/took)
}

// loadNow is loadOf the bench itself, the broker and what has ended.
func (b *bench) loadNow(ended ...*child) (load, error) {
	return loadOf([]int{os.Getpid(), b.kafka.Pid(0)}, ended...)
}
