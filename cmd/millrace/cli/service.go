package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"millrace/cmd/millrace/admin"
	"millrace/cmd/millrace/config"
	"millrace/cmd/millrace/supervise"
)

// stopTimeout is how long one part may take to stop before it is left behind. It is above every grace of the parts'
// own, which end cleanly and say what they cut off.
const stopTimeout = 30 * time.Second

// readyTimeout is how long one part may take to start: an engine that replays a large data folder needs a while.
const readyTimeout = 2 * time.Minute

// service is what every long-running command has: a logger, a registry, the operators' listener and the supervisor.
type service struct {
	name     string
	build    build
	loaded   *config.Loaded
	cfg      config.Config
	log      *slog.Logger
	registry *prometheus.Registry
	ready    readiness
	// listeners that were opened before the parts that serve them; nil: the part opens its own.
	listeners struct{ ingest, admin, console net.Listener }
}

func (a *app) newService(name string, l *config.Loaded) *service {
	b := thisBuild(a.p.Version)
	return &service{name: name, build: b, loaded: l, cfg: l.Config, log: newLogger(l.Config.Log, a.p.Stderr), registry: newRegistry(b)}
}

// run runs the components, in this order, under the operators' listener, which is the first to start and the last to
// stop, so that probes are answered all the while. ready is the program's readiness once all of them have started.
func (s *service) run(ctx context.Context, ready func(context.Context) error, started func(), components ...supervise.Component) error {
	operators, err := admin.New(s.cfg.Admin, admin.Deps{Gatherer: s.registry, Ready: s.ready.check, Logger: s.log, Listener: s.listeners.admin})
	if err != nil {
		return err
	}
	s.log.InfoContext(ctx, "starting", "command", s.name, "version", s.build.Version, "revision", s.build.Revision, "settings", s.loaded.Changed())
	all := append([]supervise.Component{{Name: "admin", Run: operators.Run}}, components...)
	err = supervise.Run(ctx, supervise.Options{
		Logger: s.log, ReadyTimeout: readyTimeout, StopTimeout: stopTimeout,
		Started: func() {
			s.ready.set(ready)
			s.log.InfoContext(ctx, "started", "command", s.name)
			if started != nil {
				started()
			}
		},
	}, all...)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	s.log.InfoContext(context.WithoutCancel(ctx), "stopped", "command", s.name)
	return nil
}

// readiness is what /readyz says: why the program is still starting, and then what its parts say.
type readiness struct {
	current atomic.Pointer[func(context.Context) error]
}

func (r *readiness) set(check func(context.Context) error) { r.current.Store(&check) }

// waiting makes err the reason why the program is not ready yet.
func (r *readiness) waiting(err error) { r.set(func(context.Context) error { return err }) }

func (r *readiness) check(ctx context.Context) error {
	check := r.current.Load()
	switch {
	case check == nil:
		return errors.New("starting")
	case *check == nil:
		return nil
	default:
		return (*check)(ctx)
	}
}
