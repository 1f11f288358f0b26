package config

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type inner struct {
	Name string        `mapstructure:"name" help:"A name."`
	Wait time.Duration `mapstructure:"wait" help:"A wait."`
}

type outer struct {
	Service struct {
		Inner inner `mapstructure:",squash"`
		Own   int   `mapstructure:"own" help:"A number."`
	} `mapstructure:"service"`
}

// Packages share the settings of what they stand on, so that an operator finds them under the service's own section.
func TestASquashedStructHasItsSettingsInTheSectionAround(t *testing.T) {
	t.Parallel()
	var cfg outer
	var keys []string
	for _, s := range settingsOf(&cfg) {
		keys = append(keys, s.Key+" "+s.Env+" "+s.Flag)
	}
	want := []string{
		"service.name MILLRACE_SERVICE_NAME service-name",
		"service.wait MILLRACE_SERVICE_WAIT service-wait",
		"service.own MILLRACE_SERVICE_OWN service-own",
	}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("settings (-want, +got):\n%s", diff)
	}
}
