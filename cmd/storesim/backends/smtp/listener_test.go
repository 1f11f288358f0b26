package smtp

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestReadingStaysEndedAfterAStop covers the moment in which go-smtp sets a deadline of its own after the stop set one.
func TestReadingStaysEndedAfterAStop(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{Listener: ln, open: map[*conn]struct{}{}}
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write([]byte("x")); err != nil { // what there is to read is not read either
		t.Fatal(err)
	}
	l.stop()
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read() error %v", err)
	}
	if len(l.open) != 1 {
		t.Errorf("%d connections are known", len(l.open))
	}
	l.cut()
	if err := c.Close(); !errors.Is(err, net.ErrClosed) || len(l.open) != 0 {
		t.Errorf("Close() error %v after cut, %d are known", err, len(l.open))
	}
}
