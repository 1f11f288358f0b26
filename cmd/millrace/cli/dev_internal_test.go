package cli

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestTheSecretIsMadeOnceForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret")
	first, err := keptSecret(path)
	if err != nil || len(first.Reveal()) != 2*secretBytes {
		t.Fatalf("keptSecret() = %d characters, %v", len(first.Reveal()), err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v, want 0600", info.Mode(), err)
	}
	again, err := keptSecret(path)
	if err != nil || again.Reveal() != first.Reveal() {
		t.Errorf("keptSecret() again = another secret, %v", err)
	}
	if err := os.WriteFile(path, []byte("by-hand\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if kept, err := keptSecret(path); err != nil || kept.Reveal() != "by-hand" {
		t.Errorf("keptSecret() = %q, %v, want what was written by hand, without its newline", kept.Reveal(), err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := keptSecret(path); err == nil {
		t.Error("an empty secret is taken: everybody could sign with it")
	}
}

func TestBannerTellsWhatRunsElsewhereAndLeavesOutWhatDoesNotRun(t *testing.T) {
	t.Parallel()
	b := banner{
		Version: "v1", Data: "/data", Webhooks: "http://h/webhooks", ClickHouse: "https://ch", Database: "shop", User: "o'neil",
		Kafka: "k1:9092", KafkaExternal: true, ClickHouseExternal: true, Durability: "survive",
	}
	text := b.String()
	for _, want := range []string{"Kafka       k1:9092  (yours)", "https://ch  (database shop; yours)", `--user 'o'\''neil'`, "FROM shop.orders_current", "the secret that you gave"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	for _, not := range []string{"operators", "simulator", "signed with the secret in", "%!"} {
		if strings.Contains(text, not) {
			t.Errorf("%q in:\n%s", not, text)
		}
	}
}

func TestAListenerOnAllAddressesIsReachedOnLoopback(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"0.0.0.0:8080": "http://127.0.0.1:8080", "[::]:8080": "http://127.0.0.1:8080",
		"127.0.0.1:8080": "http://127.0.0.1:8080", "[::1]:8080": "http://[::1]:8080", "192.0.2.7:80": "http://192.0.2.7:80",
	} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := reachable("http", tcp); got != want {
			t.Errorf("reachable(%s) = %s, want %s", addr, got, want)
		}
	}
}

func TestTotalSumsACounterOverItsLabels(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "events_total", Help: "Events."}, []string{"topic"})
	reg.MustRegister(c)
	c.WithLabelValues("a").Add(2)
	c.WithLabelValues("b").Add(3)
	if got := total(reg, "events_total"); got != 5 {
		t.Errorf("total() = %v, want 5", got)
	}
}
