package orderstate

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestTheDefaultsAreValid(t *testing.T) {
	if s, err := Service(DefaultConfig(), prometheus.NewPedanticRegistry()); err != nil || s.Handler == nil {
		t.Errorf("Service() error: %v", err)
	}
	if s, err := Translate(DefaultTranslateConfig()); err != nil || s.Handler == nil {
		t.Errorf("Translate() error: %v", err)
	}
	if _, err := Service(DefaultConfig(), nil); err == nil {
		t.Error("Service() accepted nothing to count with")
	}
}

func TestEveryProblemIsReportedWithItsKey(t *testing.T) {
	c, tc := DefaultConfig(), DefaultTranslateConfig()
	c.Consumer.Concurrency, c.Consumer.Retry.Jitter = 0, 2
	tc.Consumer.Concurrency, tc.Consumer.Retry.Jitter = 0, 2
	for name, err := range map[string]error{"orderstate": c.Validate(), "translate": tc.Validate()} {
		for _, key := range []string{"consumer.concurrency ", "consumer.retry.jitter "} {
			if err == nil || !strings.Contains("\n"+err.Error(), "\n"+key) {
				t.Errorf("%s: error lacks %q: %v", name, key, err)
			}
		}
	}
	if _, err := Service(c, prometheus.NewPedanticRegistry()); err == nil || !strings.HasPrefix(err.Error(), "orderstate: ") {
		t.Errorf("Service() error: %v", err)
	}
	if _, err := Translate(tc); err == nil || !strings.HasPrefix(err.Error(), "translate: ") {
		t.Errorf("Translate() error: %v", err)
	}
}
