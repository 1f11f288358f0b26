package cli

import (
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"

	"millrace/cmd/millrace/config"
)

// newLogger builds the one logger of the program. cfg has been validated.
func newLogger(cfg config.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	// Validate allows nothing that does not parse, and the zero Level is info.
	_ = level.UnmarshalText([]byte(cfg.Level))
	options := &slog.HandlerOptions{Level: level}
	if cfg.Format == "text" || (cfg.Format == "auto" && isTerminal(w)) {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// isTerminal tells whether somebody watches w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
