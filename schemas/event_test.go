package schemas_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"millrace/schemas"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
)

// recordHeader is a header type with the shape that AppendHeaders asks for, as a Kafka client would define it.
type recordHeader struct {
	Key   string
	Value []byte
}

func fullEvent() schemas.Event {
	return schemas.Event{
		ID:                "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
		Shop:              "acme.myshopify.com",
		Topic:             "orders/create",
		Subject:           "order/820982911946154508",
		Time:              time.Date(2026, 3, 30, 14, 30, 0, 123456789, time.UTC),
		Received:          time.Date(2026, 3, 30, 14, 30, 1, 0, time.UTC),
		ContentType:       "application/json",
		ShopifyEventID:    "98880550-7158-44d4-b7cd-2c97c8a091b5",
		ShopifyAPIVersion: "2026-10",
		PartitionKey:      "acme.myshopify.com|order/820982911946154508",
		TraceParent:       "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	}
}

func TestHeadersOfAnEventAreTheDocumentedOnes(t *testing.T) {
	e := fullEvent()
	got := map[string]string{}
	for _, h := range schemas.AppendHeaders[kgo.RecordHeader](nil, &e) {
		got[h.Key] = string(h.Value)
	}
	want := map[string]string{
		"ce_specversion":       "1.0",
		"ce_id":                "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
		"ce_type":              "com.shopify.orders.create",
		"ce_source":            "/shopify/acme.myshopify.com",
		"ce_subject":           "order/820982911946154508",
		"ce_time":              "2026-03-30T14:30:00.123456789Z",
		"content-type":         "application/json",
		"ce_shopifytopic":      "orders/create",
		"ce_shopifyeventid":    "98880550-7158-44d4-b7cd-2c97c8a091b5",
		"ce_shopifyapiversion": "2026-10",
		"ce_receivedtime":      "2026-03-30T14:30:01.000000000Z",
		"ce_partitionkey":      "acme.myshopify.com|order/820982911946154508",
		"traceparent":          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestAnEventSurvivesTheTripThroughHeaders(t *testing.T) {
	zone := time.FixedZone("", -5*3600)
	tests := map[string]func(*schemas.Event){
		"all fields": func(*schemas.Event) {},
		"no optional field": func(e *schemas.Event) {
			e.ContentType, e.ShopifyEventID, e.ShopifyAPIVersion, e.TraceParent = "", "", "", ""
		},
		"a topic with a dot":       func(e *schemas.Event) { e.Topic = "customer.tags_added" },
		"a topic with two slashes": func(e *schemas.Event) { e.Topic = "a/b/c" },
		"times with an offset":     func(e *schemas.Event) { e.Time, e.Received = e.Time.In(zone), e.Received.In(zone) },
		"the zero time":            func(e *schemas.Event) { e.Time = time.Time{} },
		"text that is not ASCII":   func(e *schemas.Event) { e.ID, e.Subject = "Größe\x00\xff|", "checkout/%7C" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			e := fullEvent()
			change(&e)
			got, err := schemas.ParseHeaders(schemas.AppendHeaders[recordHeader](nil, &e))
			if err != nil {
				t.Fatal(err)
			}
			e.Time, e.Received = e.Time.UTC(), e.Received.UTC()
			if diff := cmp.Diff(e, got); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
		})
	}
}

func TestATimeThatTheTextCannotHoldIsCutOffNotUnreadable(t *testing.T) {
	e := fullEvent()
	for text, year := range map[string]int{"9999-12-31T23:59:59-05:00": 9999, "0000-01-01T00:00:00+05:00": 0} {
		var err error
		if e.Time, err = time.Parse(time.RFC3339, text); err != nil {
			t.Fatal(err)
		}
		got, err := schemas.ParseHeaders(schemas.AppendHeaders[recordHeader](nil, &e))
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if got.Time.Year() != year {
			t.Errorf("%s became %s", text, got.Time)
		}
	}
}

func TestAHeaderValueCannotGrowIntoTheNext(t *testing.T) {
	e := fullEvent()
	headers := schemas.AppendHeaders[recordHeader](nil, &e)
	for i := range headers {
		_ = append(headers[i].Value, "overwritten"...)
	}
	got, err := schemas.ParseHeaders(headers)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, got); diff != "" {
		t.Errorf("event after appending to each value (-want +got):\n%s", diff)
	}
}

func TestHeadersOfOthersStayAndArePassedOver(t *testing.T) {
	e := fullEvent()
	headers := []recordHeader{{"theirs", []byte("1")}, {schemas.HeaderID, []byte("superseded")}, {schemas.HeaderTime, []byte("junk")}}
	headers = schemas.AppendHeaders(headers, &e)
	if headers[0].Key != "theirs" {
		t.Errorf("first header is %q, want theirs", headers[0].Key)
	}
	got, err := schemas.ParseHeaders(headers)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, got); diff != "" {
		t.Errorf("the last of a repeated header should count (-want +got):\n%s", diff)
	}
}

func TestMalformedHeadersAreNotAnEvent(t *testing.T) {
	set := func(name, value string) func(map[string]string) { return func(h map[string]string) { h[name] = value } }
	without := func(name string) func(map[string]string) { return func(h map[string]string) { delete(h, name) } }
	tests := map[string]struct {
		change func(map[string]string)
		names  string // what the error must name
	}{
		"none at all":              {func(h map[string]string) { clear(h) }, schemas.HeaderSource},
		"no version":               {without(schemas.HeaderSpecVersion), schemas.HeaderSpecVersion},
		"another version":          {set(schemas.HeaderSpecVersion, "0.3"), schemas.HeaderSpecVersion},
		"no id":                    {without(schemas.HeaderID), schemas.HeaderID},
		"an empty id":              {set(schemas.HeaderID, ""), schemas.HeaderID},
		"no source":                {without(schemas.HeaderSource), schemas.HeaderSource},
		"a source of another kind": {set(schemas.HeaderSource, "https://example.com/acme"), schemas.HeaderSource},
		"a source without a shop":  {set(schemas.HeaderSource, "/shopify/"), schemas.HeaderSource},
		"no type":                  {without(schemas.HeaderType), schemas.HeaderType},
		"a type of another topic":  {set(schemas.HeaderType, "com.shopify.orders.paid"), schemas.HeaderType},
		"no Shopify topic":         {without(schemas.HeaderShopifyTopic), schemas.HeaderShopifyTopic},
		"neither topic nor type":   {func(h map[string]string) { h[schemas.HeaderShopifyTopic], h[schemas.HeaderType] = "", "com.shopify." }, schemas.HeaderShopifyTopic},
		"no time":                  {without(schemas.HeaderTime), schemas.HeaderTime},
		"an empty time":            {set(schemas.HeaderTime, ""), schemas.HeaderTime},
		"a time without a zone":    {set(schemas.HeaderTime, "2026-03-30T14:30:00"), schemas.HeaderTime},
		"a time in seconds":        {set(schemas.HeaderTime, "1774881000"), schemas.HeaderTime},
		"no time of receipt":       {without(schemas.HeaderReceivedTime), schemas.HeaderReceivedTime},
		"a broken time of receipt": {set(schemas.HeaderReceivedTime, "2026-13-30T14:30:00Z"), schemas.HeaderReceivedTime},
		"names in upper case alone": {func(h map[string]string) {
			for name, value := range maps.Clone(h) {
				delete(h, name)
				h[strings.ToUpper(name)] = value
			}
		}, schemas.HeaderSource},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := fullEvent()
			fields := map[string]string{}
			for _, h := range schemas.AppendHeaders[recordHeader](nil, &e) {
				fields[h.Key] = string(h.Value)
			}
			tt.change(fields)
			var headers []recordHeader
			for _, name := range slices.Sorted(maps.Keys(fields)) {
				headers = append(headers, recordHeader{name, []byte(fields[name])})
			}
			got, err := schemas.ParseHeaders(headers)
			if !errors.Is(err, schemas.ErrNotAnEvent) {
				t.Fatalf("ParseHeaders gave %+v and error %v, want ErrNotAnEvent", got, err)
			}
			if !strings.Contains(err.Error(), tt.names) {
				t.Errorf("error %q does not name %s", err, tt.names)
			}
			if diff := cmp.Diff(schemas.Event{}, got); diff != "" {
				t.Errorf("an error came with an event:\n%s", diff)
			}
		})
	}
}

func TestAppendingHeadersAllocatesOnce(t *testing.T) {
	e := fullEvent()
	headers := make([]recordHeader, 0, 16)
	if n := testing.AllocsPerRun(100, func() { headers = schemas.AppendHeaders(headers[:0], &e) }); n > 1 {
		t.Errorf("AppendHeaders into a slice with room allocates %v times, want 1: the buffer of all values", n)
	}
}

func BenchmarkAppendHeaders(b *testing.B) {
	e := fullEvent()
	headers := make([]recordHeader, 0, 16)
	b.ReportAllocs()
	for b.Loop() {
		headers = schemas.AppendHeaders(headers[:0], &e)
	}
}

func BenchmarkParseHeaders(b *testing.B) {
	e := fullEvent()
	headers := schemas.AppendHeaders[recordHeader](nil, &e)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := schemas.ParseHeaders(headers); err != nil {
			b.Fatal(err)
		}
	}
}
