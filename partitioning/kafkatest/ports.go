package kafkatest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	lowestPort = 20000
	// defaultEphemeral is where the system's own choice of ports begins when it does not say so: Linux's default.
	defaultEphemeral = 32768
	portAttempts     = 2000
)

// portSet is a set of ports of 127.0.0.1 that no other cluster on this machine will choose while it is held.
//
// Listening on port 0 would be simpler, but a broker gets its port by name, must come back to it after a kill, and its port is
// free in between: a port out of the system's ephemeral range would be given to some client's outgoing connection by then.
// So the ports come from below that range, and a lock on a file per port keeps test binaries that run at the same time apart.
// The lock goes with the process, whichever way it ends.
type portSet struct {
	numbers []int
	locks   []*os.File
}

func reservePorts(n int) (*portSet, error) {
	base, err := cacheDir()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(base, "ports")
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // a cache without secrets
		return nil, fmt.Errorf("reserve ports: %w", err)
	}
	s := &portSet{}
	span := ephemeralStart() - lowestPort
	for range portAttempts {
		if len(s.numbers) == n {
			return s, nil
		}
		if err := s.try(dir, lowestPort+rand.IntN(span)); err != nil { //nolint:gosec // no secret: any port will do
			s.release()
			return nil, fmt.Errorf("reserve ports: %w", err)
		}
	}
	s.release()
	return nil, fmt.Errorf("reserve ports: no %d free ports from %d up after %d attempts", n, lowestPort, portAttempts)
}

// try adds port if nobody holds or uses it.
func (s *portSet) try(dir string, port int) error {
	f, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(port)), os.O_CREATE|os.O_RDWR, 0o644) //nolint:gosec // a lock file without content
	if err != nil {
		return err
	}
	locked, err := tryLock(f)
	if err != nil || !locked {
		return errors.Join(err, f.Close())
	}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		return f.Close() // somebody listens there: the next, please
	}
	if err := l.Close(); err != nil {
		return errors.Join(err, f.Close())
	}
	s.numbers, s.locks = append(s.numbers, port), append(s.locks, f)
	return nil
}

// release gives the ports back; on nil it does nothing.
func (s *portSet) release() {
	if s == nil {
		return
	}
	for _, f := range s.locks {
		_ = f.Close() // the lock goes with the descriptor, closed cleanly or not
	}
	s.locks = nil
}

// ephemeralStart returns the first port that the system hands out by itself.
func ephemeralStart() int {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return defaultEphemeral
	}
	fields := strings.Fields(string(text))
	if len(fields) != 2 {
		return defaultEphemeral
	}
	first, err := strconv.Atoi(fields[0])
	// A range that somebody widened downwards leaves nothing below it; then the lock and New's second attempt have to do.
	if err != nil || first < lowestPort+1000 {
		return defaultEphemeral
	}
	return first
}

// tryLock takes an exclusive advisory lock on f, which ends with f; false means that another open file holds it.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return true, nil
}
