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

// moment is how busy the machine was at one time, to tell afterwards what others took of it: a rate that was measured beside other
// work says little.
type moment struct {
	at   time.Time
	busy float64         // seconds of all processors together, since the machine's start
	own  map[int]float64 // seconds of each process of the bench
}

// now reads the machine and the processes; where there is no /proc everything stays 0.
func now(pids ...int) moment {
	m := moment{at: time.Now(), own: map[int]float64{}}
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return m
	}
	first, _, _ := strings.Cut(string(stat), "\n")
	for i, field := range strings.Fields(first)[1:] {
		if n, err := strconv.ParseFloat(field, 64); err == nil && i < 8 && i != 3 && i != 4 { // not idle, not waiting for a disk, guests count in user
			m.busy += n / ticksPerSecond
		}
	}
	for _, pid := range pids {
		m.own[pid] = cpuOf(pid)
	}
	return m
}

// cpuOf returns the processor seconds of a running process, 0 for one that has ended.
func cpuOf(pid int) float64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // the name before may have blanks
	var sum float64
	for i, f := range strings.Fields(rest) {
		if n, err := strconv.ParseFloat(f, 64); err == nil && (i == 11 || i == 12) { // user and system
			sum += n / ticksPerSecond
		}
	}
	return sum
}

// cores returns how many processors a process took on average between two moments.
func (m moment) cores(pid int, since moment) float64 {
	took := m.at.Sub(since.at).Seconds()
	if took <= 0 {
		return 0
	}
	return max(m.own[pid]-since.own[pid], 0) / took
}

// others returns the share of all processors, 0 to 1, that went to programs outside of the bench.
func (m moment) others(since moment) float64 {
	took := m.at.Sub(since.at).Seconds() * float64(processors())
	if took <= 0 {
		return 0
	}
	used := m.busy - since.busy
	for pid, seconds := range m.own {
		used -= seconds - since.own[pid]
	}
	return min(max(used/took, 0), 1)
}

func processors() int { return runtime.NumCPU() }

// now is the machine with the bench's processes.
func (b *bench) now(k *kafka, c *child) moment {
	pids := []int{os.Getpid(), b.engine.Pid(), k.cluster.Pid(0)}
	if c != nil {
		pids = append(pids, c.cmd.Process.Pid)
	}
	return now(pids...)
}
