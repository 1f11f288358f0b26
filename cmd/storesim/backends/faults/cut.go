package faults

import "net"

// Cut ends a connection at once. Over TCP the peer sees a reset, not an end of stream, as with a process that was killed or a
// middlebox that forgot the connection. It sees through TLS and whatever else has NetConn.
func Cut(c net.Conn) {
	for {
		inner, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		c = inner.NetConn()
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		// Fails only on a connection that is closed already.
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
