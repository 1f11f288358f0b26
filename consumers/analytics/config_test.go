package analytics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"millrace/consumers/analytics/database"
	"millrace/consumers/internal/pause"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"

	"millrace/consumers/group/member"
)

func TestDefaultConfigurationsAreValid(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("DefaultConfig().Validate() error: %v", err)
	}
}

func TestEverySettingThatCanBeWrongIsReportedWithItsKey(t *testing.T) {
	var c Config // the zero value is wrong everywhere, except where 0 has a meaning
	c.BatchLinger, c.StopGrace, c.RetryBackoffMax, c.BatchBytes = -1, -1, -1, 1<<30
	c.InstanceID = "a b"
	err := c.Validate()
	if err == nil {
		t.Fatal("Validate() = nil")
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		if f.Type == reflect.TypeFor[member.Config]() { // its fields are listed as well, as they are squashed
			continue
		}
		key := f.Tag.Get("mapstructure")
		if key == "" || !strings.HasSuffix(f.Tag.Get("help"), ".") {
			t.Errorf("field %s needs a mapstructure tag and a help sentence", f.Name)
		}
		if !strings.Contains("\n"+err.Error(), "\n"+key+" ") {
			t.Errorf("Validate() does not complain about %s: %v", key, err)
		}
	}
}

func TestNewRefusesWhatCannotRun(t *testing.T) {
	ok := Deps{ClickHouse: &database.DB{}, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry()}
	if _, err := New(DefaultConfig(), ok); err != nil {
		t.Errorf("New() error: %v", err)
	}
	for name, change := range map[string]func(c *Config, d *Deps){
		"configuration": func(c *Config, _ *Deps) { c.Group = "" },
		"clickhouse":    func(_ *Config, d *Deps) { d.ClickHouse = nil },
		"logger":        func(_ *Config, d *Deps) { d.Logger = nil },
		"registerer":    func(_ *Config, d *Deps) { d.Registerer = nil },
		"kafka options": func(c *Config, _ *Deps) { c.SessionTimeout = time.Hour; c.CommitTimeout = 0 },
	} {
		c, d := DefaultConfig(), ok
		d.Registerer = prometheus.NewPedanticRegistry()
		change(&c, &d)
		if _, err := New(c, d); err == nil {
			t.Errorf("New() accepted a bad %s", name)
		}
	}
}

func TestFailuresAreClassifiedByWhatToLookAt(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want failure
	}{
		{fmt.Errorf("x: %w", context.DeadlineExceeded), failTimeout},
		{errors.New("connection refused"), failUnavailable},
		{&clickhouse.HTTPError{StatusCode: 502, Err: errors.New("bad gateway")}, failUnavailable},
		{&clickhouse.HTTPError{StatusCode: 500, Err: &clickhouse.Exception{Code: codeTooManyParts}}, failOverloaded},
		{&clickhouse.Exception{Code: codeSocketTimeout}, failTimeout},
		{&clickhouse.Exception{Code: codeAborted}, failUnavailable},
		{&clickhouse.Exception{Code: codeAuthentication}, failDenied},
		{fmt.Errorf("x: %w", &clickhouse.Exception{Code: codeUnknownTable}), failSchema},
		{&clickhouse.Exception{Code: codeInsertUnknown}, failUnavailable},
		{fmt.Errorf("x: %w", &clickhouse.Exception{Code: 469, Message: "Constraint `c` for table t is violated"}), failValue},
		{&clickhouse.Exception{Code: 72, Message: "Cannot parse number: while pushing to view default.mine"}, failOther},
		{&clickhouse.Exception{Code: 49}, failOther},
	} {
		if got := classify(tc.err); got != tc.want {
			t.Errorf("classify(%v) = %s, want %s", tc.err, got, tc.want)
		}
	}
}

func TestBackoffGrowsToItsLimitAndNeverBeyond(t *testing.T) {
	for n := range 200 {
		d := pause.Backoff(n, 100*time.Millisecond, 5*time.Second)
		least, most := 50*time.Millisecond, 5*time.Second
		if n < 5 {
			least, most = 50*time.Millisecond<<n, 100*time.Millisecond<<n
		} else if n > 6 {
			least = 2500 * time.Millisecond
		}
		if d < least || d > most {
			t.Errorf("pause.Backoff(%d) = %s, want from %s to %s", n, d, least, most)
		}
	}
}
