package ingest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
)

// certificate serves the current key pair of the TLS listener and follows its files, so that a renewal needs no restart.
type certificate struct {
	cfg TLSConfig
	// The two files as last taken or refused, and as last read; touched by the watcher alone after load.
	text, seen []byte
	current    atomic.Pointer[tls.Certificate]
}

func (c *certificate) enabled() bool { return c.cfg.CertFile != "" }

// load reads the pair for the first time.
func (c *certificate) load() error {
	if !c.enabled() {
		return nil
	}
	text, pair, err := c.read()
	if err != nil {
		return err
	}
	c.text = text
	c.current.Store(pair)
	return nil
}

func (c *certificate) read() ([]byte, *tls.Certificate, error) {
	cert, errCert := os.ReadFile(c.cfg.CertFile)
	key, errKey := os.ReadFile(c.cfg.KeyFile)
	if err := errors.Join(errCert, errKey); err != nil {
		return []byte(err.Error()), nil, fmt.Errorf("read TLS key pair: %w", err)
	}
	text := bytes.Join([][]byte{cert, key}, []byte{0})
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return text, nil, fmt.Errorf("parse TLS key pair %s, %s: %w", c.cfg.CertFile, c.cfg.KeyFile, err)
	}
	return text, &pair, nil
}

// reload takes a changed pair once two reads agree: certificate and key are two files and are written one after the other,
// so for a moment they do not fit.
func (c *certificate) reload(s *Server) {
	if !c.enabled() {
		return
	}
	text, pair, err := c.read()
	settled := bytes.Equal(text, c.seen)
	c.seen = text
	if !settled || bytes.Equal(text, c.text) {
		return
	}
	c.text = text
	if err != nil {
		s.metrics.reloads.WithLabelValues(reloadFailed).Inc()
		s.log.Error("TLS key pair not taken, the old one stays in force", "err", err)
		return
	}
	c.current.Store(pair)
	s.metrics.reloads.WithLabelValues(reloadDone).Inc()
	s.log.Info("TLS key pair re-read", "file", c.cfg.CertFile)
}

// config returns the listener's settings: TLS 1.2 and up, HTTP/2 offered.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}
