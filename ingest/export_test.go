package ingest

import "net/http"

// Handler is the public listener's handler without its listener, for fuzzing.
func Handler(s *Server) http.Handler { return s.handler() }
