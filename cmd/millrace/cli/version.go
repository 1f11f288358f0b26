package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
)

// build is what is known about this program.
type build struct {
	Version  string // the release, else the module's, else "devel"
	Revision string // of the source, "-dirty" appended when it had changes; "" where unknown
	Time     string // of the revision
}

// thisBuild reads what the linker left; release may be empty.
func thisBuild(release string) build {
	b := build{Version: release}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if b.Version == "" {
		b.Version = "devel"
		if v := info.Main.Version; v != "" && v != "(devel)" {
			b.Version = v
		}
	}
	dirty := false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			dirty = s.Value == "true"
		}
	}
	if b.Revision != "" && dirty {
		b.Revision += "-dirty"
	}
	return b
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Example: "  millrace version",
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild(a.p.Version)
			text := "millrace " + b.Version
			if b.Revision != "" {
				text += fmt.Sprintf(" (%.12s, %s)", b.Revision, b.Time)
			}
			_, err := fmt.Fprintf(a.p.Stdout, "%s %s %s/%s\n", text, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

// newRegistry builds the registry of the program with what every program shows of itself.
func newRegistry(b build) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "millrace_build_info",
		Help:        "Always 1; the labels tell which program runs.",
		ConstLabels: prometheus.Labels{"version": b.Version, "revision": b.Revision, "go_version": runtime.Version()},
	})
	info.Set(1)
	reg.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}
