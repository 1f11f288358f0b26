package kafkatest

import (
	"fmt"
	"net"
	"testing"
)

func TestPortsInUseOrHeldByAnotherClusterAreNotTaken(t *testing.T) {
	t.Setenv(CacheEnv, t.TempDir())
	held, err := reservePorts(3)
	if err != nil {
		t.Fatal(err)
	}
	defer held.release()
	for _, port := range held.numbers {
		if port >= ephemeralStart() {
			t.Errorf("port %d may be given to anybody's outgoing connection", port)
		}
	}
	base, err := cacheDir()
	if err != nil {
		t.Fatal(err)
	}
	other := &portSet{}
	defer other.release()
	take := func(port, want int, why string) {
		t.Helper()
		if err := other.try(base+"/ports", port); err != nil {
			t.Fatal(err)
		}
		if len(other.numbers) != want {
			t.Errorf("a port %s: got %v", why, other.numbers)
		}
	}
	take(held.numbers[0], 0, "that is held")
	held.release()
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", held.numbers[1]))
	if err != nil {
		t.Skipf("a stranger has taken the port meanwhile: %v", err)
	}
	defer l.Close()
	take(held.numbers[1], 0, "in use")
	take(held.numbers[2], 1, "that was given back")
}
