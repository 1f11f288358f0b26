package cli_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/deploy/embedded/enginetest"
	"millrace/ingest"
	"millrace/schemas"
)

// sample is one real body and where partitioning's golden file says it belongs.
type sample struct {
	id, shopifyTopic, topic, subject string
	body                             []byte
}

// samples reads the bodies of PAYLOADS and their places; it skips, or fails where services are required, without them.
func samples(t *testing.T) []sample {
	t.Helper()
	const root = "../../../"
	dir := os.Getenv("MILLRACE_PAYLOADS")
	if dir == "" {
		dir = root + "../shared/payloads"
	}
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("MILLRACE_TEST_SERVICES") == "required" {
			t.Fatalf("MILLRACE_TEST_SERVICES=required: %v", err)
		}
		t.Skipf("needs sample bodies (MILLRACE_PAYLOADS): %v", err)
	}
	golden, err := os.ReadFile(root + "partitioning/testdata/payload_keys.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var list []sample
	for line := range strings.Lines(string(golden)) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if strings.HasPrefix(line, "#") || len(f) < 4 {
			continue
		}
		file := filepath.Join(strings.ReplaceAll(f[0], "/", "__"), f[1])
		body, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, sample{id: file, shopifyTopic: f[0], topic: f[2], subject: f[3], body: body})
	}
	if len(list) < 250 {
		t.Fatalf("%d sample bodies, want the whole collection", len(list))
	}
	return list
}

// Every sample body, signed and posted, comes back byte for byte from Kafka and from ClickHouse, under the topic, the key
// and the entity that its Shopify topic calls for.
func TestEverySampleBodyComesBackByteForByte(t *testing.T) {
	enginetest.Library(t)
	list := samples(t)
	e := startDev(t, t.TempDir())
	for _, s := range list {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.webhooks, bytes.NewReader(s.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Shopify-Topic", s.shopifyTopic)
		req.Header.Set("X-Shopify-Shop-Domain", "acme.myshopify.com")
		req.Header.Set("X-Shopify-Webhook-Id", s.id)
		req.Header.Set("X-Shopify-Hmac-Sha256", ingest.Sign(e.secret, s.body))
		resp, err := e.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s = %d, want 200", s.id, resp.StatusCode)
		}
	}
	e.awaitQuery("SELECT count() FROM millrace.events", fmt.Sprint(len(list)))
	inKafka, inClickHouse := e.recordsByID(len(list)), e.rowsByID()
	for _, s := range list {
		want := place{s.topic, "acme.myshopify.com|" + s.subject, s.subject, s.shopifyTopic, string(s.body)}
		if got := inKafka[s.id]; got != want {
			t.Errorf("%s in Kafka:\n got %.200v\nwant %.200v", s.id, got, want)
		}
		if got := inClickHouse[s.id]; got != want {
			t.Errorf("%s in ClickHouse:\n got %.200v\nwant %.200v", s.id, got, want)
		}
	}
}

// place is where an event was found.
type place struct{ topic, key, subject, shopifyTopic, body string }

// recordsByID reads n records from the domain topics.
func (e *everything) recordsByID(n int) map[string]place {
	e.t.Helper()
	var topics []string
	for _, d := range schemas.Domains() {
		topics = append(topics, d.KafkaTopic())
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(e.kafka), kgo.ConsumeTopics(topics...), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		e.t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(e.t.Context(), 30*time.Second)
	defer cancel()
	found := map[string]place{}
	for len(found) < n {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			e.t.Fatalf("Kafka holds %d events, want %d", len(found), n)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			event, err := schemas.ParseHeaders(r.Headers)
			if err != nil {
				e.t.Errorf("record %s/%d@%d: %v", r.Topic, r.Partition, r.Offset, err)
			}
			found[event.ID] = place{r.Topic, string(r.Key), event.Subject, event.Topic, string(r.Value)}
		})
	}
	return found
}

// rowsByID reads the table events.
func (e *everything) rowsByID() map[string]place {
	e.t.Helper()
	rows := map[string]place{}
	text := e.query("SELECT id, _topic, partition_key, subject, shopify_topic, base64Encode(body) FROM millrace.events FORMAT TabSeparated")
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		body, err := base64.StdEncoding.DecodeString(f[5])
		if err != nil {
			e.t.Fatal(err)
		}
		rows[f[0]] = place{f[1], f[2], f[3], f[4], string(body)}
	}
	return rows
}
