package schemas_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/schemas"
)

// cause is the webhook that the sample events come from.
func cause() schemas.Event {
	e := fullEvent()
	e.ID = "w1"
	return e
}

// sample returns data with every field set, so that no golden file leaves one out.
func sample(t *testing.T, spec schemas.OrderEventSpec) schemas.OrderEventData {
	t.Helper()
	data := spec.New()
	fill(t, reflect.ValueOf(data).Elem(), "")
	return data
}

// fill sets every field to something that tells it from its neighbours.
func fill(t *testing.T, v reflect.Value, name string) {
	t.Helper()
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 3, 30, 14, 30, len(name), 0, time.UTC)))
		return
	case schemas.Money:
		m, err := schemas.ParseMoney(fmt.Sprintf("%d.50", len(name)))
		if err != nil {
			t.Fatal(err)
		}
		v.Set(reflect.ValueOf(m))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("a " + name)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(len(name)))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0), name)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), name)
	case reflect.Struct:
		for i := range v.NumField() {
			tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			fill(t, v.Field(i), tag)
		}
	default:
		t.Fatalf("no sample for a %s", v.Type())
	}
}

func golden(name string, version uint32) string {
	return filepath.Join("testdata", "order_events", fmt.Sprintf("%s.v%d.json", name, version))
}

// TestEveryVersionOfEveryEventIsRead is what keeps the event store readable: the files of the newest versions are written from the Go
// types (-update), those of older ones stay as they were.
func TestEveryVersionOfEveryEventIsRead(t *testing.T) {
	c := cause()
	for _, spec := range schemas.OrderEventTypes() {
		t.Run(spec.Name, func(t *testing.T) {
			e, err := schemas.NewOrderEvent(&c, "tester", time.Date(2026, 3, 30, 14, 30, 2, 5, time.UTC), sample(t, spec))
			if err != nil {
				t.Fatal(err)
			}
			e.Reason = "5 > 4 & the customer's wish"
			value, err := schemas.EncodeOrderEvent(&e)
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(golden(spec.Name, spec.Version), append(value, '\n'), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for version := uint32(1); version <= spec.Version; version++ {
				file, err := os.ReadFile(golden(spec.Name, version))
				if err != nil {
					t.Fatal(err)
				}
				if version == spec.Version && string(file) != string(value)+"\n" {
					t.Errorf("version %d is written as\n%s\nand not as in %s: a new version and an upcast are due", version, value, golden(spec.Name, version))
				}
				meta := e.Event()
				got, err := schemas.DecodeOrderEvent(&meta, file)
				if diff := cmp.Diff(e, got); diff != "" || err != nil {
					t.Errorf("version %d, error %v (-want +got):\n%s", version, err, diff)
				}
			}
		})
	}
	files, err := filepath.Glob(filepath.Join("testdata", "order_events", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name, version, _ := strings.Cut(strings.TrimSuffix(filepath.Base(f), ".json"), ".v")
		if spec, ok := specs()[name]; !ok || version > fmt.Sprint(spec.Version) {
			t.Errorf("%s is of no type or version that there is", f)
		}
	}
}

func specs() map[string]schemas.OrderEventSpec {
	byName := map[string]schemas.OrderEventSpec{}
	for _, s := range schemas.OrderEventTypes() {
		byName[s.Name] = s
	}
	return byName
}

func TestAnEventOfAnOrderIsAnEventLikeAnyOther(t *testing.T) {
	c := cause()
	e, err := schemas.NewOrderEvent(&c, "saga", time.Date(2026, 3, 30, 16, 30, 2, 0, time.FixedZone("", 7200)), &schemas.PaymentProcessed{ChargeID: "ch_1"})
	if err != nil {
		t.Fatal(err)
	}
	meta := e.Event()
	headers := schemas.AppendHeaders[kgo.RecordHeader](nil, &meta)
	got := map[string]string{}
	for _, h := range headers {
		got[h.Key] = string(h.Value)
	}
	want := map[string]string{
		"ce_specversion":  "1.0",
		"ce_id":           "w1/saga/PaymentProcessed",
		"ce_type":         "com.millrace.order.PaymentProcessed",
		"ce_source":       "/shopify/acme.myshopify.com",
		"ce_subject":      "order/820982911946154508",
		"ce_time":         "2026-03-30T14:30:02.000000000Z",
		"content-type":    "application/json",
		"ce_receivedtime": "2026-03-30T14:30:02.000000000Z",
		"ce_partitionkey": "acme.myshopify.com|order/820982911946154508",
		"traceparent":     c.TraceParent,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	parsed, err := schemas.ParseHeaders(headers)
	if diff := cmp.Diff(meta, parsed); diff != "" || err != nil {
		t.Errorf("read back, error %v (-want +got):\n%s", err, diff)
	}
	if parsed.Topic != "order/PaymentProcessed" || schemas.Type(parsed.Topic) != want["ce_type"] {
		t.Errorf("topic %q, type %q", parsed.Topic, schemas.Type(parsed.Topic))
	}
}

// A topic of ours must never be one of Shopify's, and no delivery may pass for an event of ours.
func TestNoShopifyTopicIsThatOfAnOrdersEvent(t *testing.T) {
	for _, topic := range schemas.Topics() {
		if _, ours := schemas.OrderEventType(topic.Name); ours || strings.HasPrefix(topic.Name, "order/") {
			t.Errorf("%s could be taken for an event of ours", topic.Name)
		}
	}
	e := fullEvent()
	for name, headers := range map[string][]recordHeader{
		"our type with a Shopify topic":   append(schemas.AppendHeaders[recordHeader](nil, &e), recordHeader{schemas.HeaderType, []byte("com.millrace.order.OrderCreated")}),
		"our topic as Shopify's":          append(schemas.AppendHeaders[recordHeader](nil, &e), recordHeader{schemas.HeaderType, []byte("com.shopify.order.OrderCreated")}, recordHeader{schemas.HeaderShopifyTopic, []byte("order/OrderCreated")}),
		"a type of ours in small letters": append(schemas.AppendHeaders[recordHeader](nil, &e), recordHeader{schemas.HeaderType, []byte("com.millrace.order.created")}, recordHeader{schemas.HeaderShopifyTopic, nil}),
	} {
		if got, err := schemas.ParseHeaders(headers); !errors.Is(err, schemas.ErrNotAnEvent) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestTheIDOfAnEventIsMadeOfItsCause(t *testing.T) {
	id := func(cause schemas.Event, data schemas.OrderEventData) string {
		e, err := schemas.NewOrderEvent(&cause, "saga", time.Unix(1, 0), data)
		if err != nil {
			t.Fatal(err)
		}
		return e.ID
	}
	c := cause()
	step := func(seq int64) schemas.OrderEventData {
		return &schemas.StepRequested{SagaStep: schemas.SagaStep{SagaRef: schemas.SagaRef{Saga: "order", Seq: seq}, Step: "charge"}}
	}
	if got := id(c, step(3)); got != "w1/saga/StepRequested/3" || got != id(c, step(3)) || got == id(c, step(4)) {
		t.Errorf("id of a step: %s", got)
	}
	release := func(effect string) schemas.OrderEventData {
		return &schemas.InventoryReleased{Effect: schemas.Effect{Effect: effect}}
	}
	if id(c, release("a")) == id(c, release("b")) || !strings.HasSuffix(id(c, release("a")), "/InventoryReleased/a") {
		t.Errorf("ids of two effects: %s, %s", id(c, release("a")), id(c, release("b")))
	}
	longest := 0
	for i := range 100 { // a saga whose every event causes the next
		c.ID = id(c, step(int64(i)))
		longest = max(longest, len(c.ID))
	}
	if longest > 160 {
		t.Errorf("ids grew to %d bytes", longest)
	}
	other := c
	c.ID, other.ID = strings.Repeat("x", 200)+"1", strings.Repeat("x", 200)+"2"
	if id(c, step(1)) == id(other, step(1)) {
		t.Error("two long causes gave one id")
	}
}

func TestWhatIsNotAboutAnOrderHasNoEvent(t *testing.T) {
	for _, subject := range []string{"", "order/", "shop", "customer/1", "orders/1"} {
		c := cause()
		c.Subject = subject
		if _, err := schemas.NewOrderEvent(&c, "x", time.Unix(1, 0), &schemas.OrderDeleted{}); !errors.Is(err, schemas.ErrNoOrder) {
			t.Errorf("subject %q: %v", subject, err)
		}
	}
}

func TestABrokenEventOfAnOrderIsToldFromANewerOne(t *testing.T) {
	c := cause()
	e, err := schemas.NewOrderEvent(&c, "inventory", time.Unix(1, 0), &schemas.InventoryReserved{Effect: schemas.Effect{Effect: "reserve:x:1"}})
	if err != nil {
		t.Fatal(err)
	}
	value, err := schemas.EncodeOrderEvent(&e)
	if err != nil {
		t.Fatal(err)
	}
	meta := e.Event()
	change := func(old, new string) string { return strings.Replace(string(value), old, new, 1) }
	newer, future := meta, meta
	future.Topic = schemas.OrderEventTopic("OrderTeleported")
	for name, tt := range map[string]struct {
		meta  schemas.Event
		value string
		want  error
	}{
		"a newer version":       {newer, change(`"v":1`, `"v":2`), schemas.ErrNewerOrderEvent},
		"a type of the future":  {future, change(`InventoryReserved`, `OrderTeleported`), schemas.ErrNewerOrderEvent},
		"no version":            {meta, change(`"v":1,`, ``), schemas.ErrNotOrderEvent},
		"another type":          {meta, change(`InventoryReserved`, `InventoryReleased`), schemas.ErrNotOrderEvent},
		"another order":         {meta, change(`820982911946154508`, `1`), schemas.ErrNotOrderEvent},
		"no time":               {meta, change(`"at"`, `"when"`), schemas.ErrNotOrderEvent},
		"no data":               {meta, change(`"data"`, `"date"`), schemas.ErrNotOrderEvent},
		"data of another shape": {meta, change(`"data":{`, `"data":[],"x":{`), schemas.ErrNotOrderEvent},
		"no JSON":               {meta, `{`, schemas.ErrNotOrderEvent},
		"a webhook":             {c, `{}`, schemas.ErrNotOrderEvent},
	} {
		if got, err := schemas.DecodeOrderEvent(&tt.meta, []byte(tt.value)); !errors.Is(err, tt.want) || got.Data != nil {
			t.Errorf("%s: %+v, %v; want %v", name, got, err, tt.want)
		}
	}
	if got, err := schemas.DecodeOrderEvent(&meta, []byte(change(`"data":{`, `"more":1,"data":{"more":{},`))); err != nil || !cmp.Equal(got, e) {
		t.Errorf("with fields of others: %v", err)
	}
}

func TestEveryTypeOfEventHasItsOwnNameAndVersion(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range schemas.OrderEventTypes() {
		if seen[s.Name] || s.Content == "" || s.By == "" || s.Version < 1 {
			t.Errorf("%+v", s)
		}
		seen[s.Name] = true
		if got := reflect.TypeOf(s.New()).Elem().Name(); got != s.Name {
			t.Errorf("the data of %s are of the Go type %s", s.Name, got)
		}
	}
}

func TestREADMEListsTheEventsOfOrders(t *testing.T) {
	var fields, types strings.Builder
	fields.WriteString("| field | present | content |\n|---|---|---|\n")
	for _, f := range schemas.OrderEventFields() {
		present := "sometimes"
		if f.Always {
			present = "always"
		}
		fmt.Fprintf(&fields, "| `%s` | %s | %s |\n", f.Name, present, f.Content)
	}
	listed(t, "order-event", fields.String())
	types.WriteString("| type | `v` | told by | what it says | fields of `data` |\n|---|---|---|---|---|\n")
	for _, s := range schemas.OrderEventTypes() {
		value, err := json.Marshal(sample(t, s))
		if err != nil {
			t.Fatal(err)
		}
		of := "`" + strings.Join(names(t, value), ", ") + "`"
		switch {
		case of == "``":
			of = ""
		case schemas.OrderVersionOf(s.New()) != nil && s.Name != schemas.TypeOrderCreated:
			of = "as `OrderCreated`"
		}
		fmt.Fprintf(&types, "| `%s` | %d | %s | %s | %s |\n", s.Name, s.Version, s.By, s.Content, of)
	}
	listed(t, "order-events", types.String())
}

func TestOrderEventFieldsAreThoseThatAreWritten(t *testing.T) {
	c := cause()
	for all, reason := range map[bool]string{true: "because", false: ""} {
		e, err := schemas.NewOrderEvent(&c, "x", time.Unix(1, 0), &schemas.OrderDeleted{})
		if err != nil {
			t.Fatal(err)
		}
		e.Reason = reason
		value, err := schemas.EncodeOrderEvent(&e)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, f := range schemas.OrderEventFields() {
			if all || f.Always {
				want = append(want, f.Name)
			}
		}
		if diff := cmp.Diff(want, names(t, value)); diff != "" {
			t.Errorf("all %v (-listed +written):\n%s", all, diff)
		}
	}
}

// FuzzDecodeOrderEvent feeds values that a stranger wrote. Invariants: no panic; an error is one of the two and comes with no event;
// what is accepted can be written again and reads the same.
func FuzzDecodeOrderEvent(f *testing.F) {
	for _, s := range schemas.OrderEventTypes() {
		for v := uint32(1); v <= s.Version; v++ {
			if file, err := os.ReadFile(golden(s.Name, v)); err == nil {
				f.Add(s.Name, file)
			}
		}
	}
	f.Fuzz(func(t *testing.T, name string, value []byte) {
		meta := cause()
		meta.Topic = schemas.OrderEventTopic(name)
		got, err := schemas.DecodeOrderEvent(&meta, value)
		if err != nil {
			if got.Data != nil || !errors.Is(err, schemas.ErrNotOrderEvent) && !errors.Is(err, schemas.ErrNewerOrderEvent) {
				t.Fatalf("event %+v with error %v", got, err)
			}
			return
		}
		if outside(got.At) {
			return
		}
		again, err := schemas.EncodeOrderEvent(&got)
		if err != nil {
			if strings.Contains(err.Error(), "year outside") {
				return
			}
			t.Fatalf("what was accepted cannot be written: %v", err)
		}
		back, err := schemas.DecodeOrderEvent(&meta, again)
		if err != nil {
			t.Fatalf("what was accepted, written again, is refused: %v\n%s", err, again)
		}
		first, _ := json.Marshal(got)
		second, _ := json.Marshal(back)
		if string(first) != string(second) {
			t.Fatalf("changed when written again:\n%s\n%s", first, second)
		}
	})
}
