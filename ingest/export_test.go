package ingest

import (
	"net/http"
	"time"
)

// Handler is the public listener's handler without its listener, for fuzzing and for bugs.
func Handler(s *Server) http.Handler { return s.handler() }

// AgeFailures makes the last failed write look older.
func AgeFailures(s *Server, by time.Duration) {
	h := &s.producer.Load().health
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = h.last.Add(-by)
}
