package deadletter_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"millrace/consumers/group/deadletter"
	"millrace/schemas"
)

func TestIDsAreWrittenAndRead(t *testing.T) {
	id := deadletter.ID{Topic: "shopify.orders", Partition: 5, Offset: 1234}
	if id.String() != "shopify.orders/5@1234" {
		t.Errorf("String gave %s", id)
	}
	if got, err := deadletter.ParseID(id.String()); err != nil || got != id {
		t.Errorf("ParseID gave %v, %v", got, err)
	}
	for _, bad := range []string{"", "shopify.orders", "shopify.orders/5", "shopify.orders@5", "/5@1", "t/-1@1", "t/1@-1", "t/1@x", "t/3000000000@1", "t/1@1@1", "t/1/1@1"} {
		if got, err := deadletter.ParseID(bad); err == nil {
			t.Errorf("ParseID(%q) gave %v, want an error", bad, got)
		}
	}
}

func TestOpenLettersAreListedTheNewestFailureFirst(t *testing.T) {
	w := newWorld(t)
	settled, refailed := letter{offset: 3, order: 3}, letter{offset: 4, order: 4}
	w.write(
		letter{offset: 1, order: 1, failed: time.Second}.record(),
		letter{offset: 2, order: 2, failed: 9 * time.Second, class: schemas.ClassExhausted}.record(),
		letter{partition: 1, offset: 1, order: 5, failed: 5 * time.Second}.record(),
		settled.record(), settled.resolution(schemas.ResolutionDropped, "ann@desk", time.Hour),
		refailed.record(), refailed.resolution(schemas.ResolutionRedriven, "ann@desk", time.Hour),
		letter{offset: 4, order: 4, failed: time.Minute}.record(),
		&kgo.Record{Topic: dlq, Value: []byte("somebody else's")},
	)
	b := w.book(deadletter.Options{})
	want := []string{"shopify.orders/0@4", "shopify.orders/0@2", "shopify.orders/1@1", "shopify.orders/0@1"}
	letters := w.list(b, deadletter.Filter{})
	if diff := cmp.Diff(want, ids(letters)); diff != "" {
		t.Errorf("open letters (-want +got):\n%s", diff)
	}
	got := letters[1]
	got.Headers, got.Key, got.Value = nil, nil, nil
	if diff := cmp.Diff(deadletter.Letter{
		ID: deadletter.ID{Topic: orders, Offset: 2}, Group: groupID, Shop: "acme.myshopify.com", Entity: "order/2", ShopifyTopic: "orders/updated", WebhookID: "webhook-0-2",
		Class: schemas.ClassExhausted, Error: "stock API: 422 no such variant", Attempts: 5, FirstFailure: began, LastFailure: began.Add(9 * time.Second),
	}, got); diff != "" {
		t.Errorf("letter (-want +got):\n%s", diff)
	}
	if string(letters[1].Value) != `{"id":2}` || string(letters[1].Key) != "acme.myshopify.com|order/2" || len(letters[1].Headers) < 15 {
		t.Errorf("letter has key %q, value %q and %d headers", letters[1].Key, letters[1].Value, len(letters[1].Headers))
	}

	all := w.list(b, deadletter.Filter{Settled: true})
	if len(all) != 5 {
		t.Fatalf("with settled ones: %v, want 5", ids(all))
	}
	last := all[len(all)-1]
	if diff := cmp.Diff(&deadletter.Resolution{What: schemas.ResolutionDropped, By: "ann@desk", Time: began.Add(time.Hour)}, last.Resolution); diff != "" || last.ID != settled.id() {
		t.Errorf("settled letter %s (-want +got):\n%s", last.ID, diff)
	}

	s := w.choose(b, deadletter.Filter{IDs: []deadletter.ID{{Topic: orders, Offset: 2}, {Topic: orders, Offset: 77}, settled.id(), {Topic: "nosuch", Offset: 1}}})
	if diff := cmp.Diff([]deadletter.ID{{Topic: orders, Offset: 77}, settled.id(), {Topic: "nosuch", Offset: 1}}, s.Missing()); diff != "" || s.Len() != 1 {
		t.Errorf("%d found, missing (-want +got):\n%s", s.Len(), diff)
	}
	if s = w.choose(b, deadletter.Filter{}); s.Foreign() != 1 || s.Entities() != 4 {
		t.Errorf("%d foreign records, %d entities; want 1, 4", s.Foreign(), s.Entities())
	}
	if diff := cmp.Diff(map[string]int{schemas.ClassPermanent: 3, schemas.ClassExhausted: 1}, s.Classes()); diff != "" {
		t.Errorf("classes (-want +got):\n%s", diff)
	}
	n := 0
	if err := b.Read(t.Context(), s, 2, func(deadletter.Letter) error { n++; return nil }); err != nil || n != 2 {
		t.Errorf("limit 2 gave %d letters, %v", n, err)
	}
	stop := errors.New("enough")
	if err := b.Read(t.Context(), s, 0, func(deadletter.Letter) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("an error of the callback gave %v", err)
	}
}

func TestFiltersChoose(t *testing.T) {
	w := newWorld(t)
	w.write(
		letter{offset: 1, order: 1, topic: "orders/create", failed: time.Hour}.record(),
		letter{partition: 1, offset: 2, order: 2, class: schemas.ClassPanic, failed: 2 * time.Hour}.record(),
		letter{partition: 2, offset: 3, order: 3, bare: true, failed: 3 * time.Hour}.record(), // headers are gone: only the key tells
	)
	b := w.book(deadletter.Options{})
	for name, c := range map[string]struct {
		f    deadletter.Filter
		want []string
	}{
		"topic":             {deadletter.Filter{Topics: []string{orders}}, []string{"2@3", "1@2", "0@1"}},
		"other topic":       {deadletter.Filter{Topics: []string{"shopify.shop"}}, nil},
		"shopify topics":    {deadletter.Filter{ShopifyTopics: []string{"orders/create", "x/y"}}, []string{"0@1"}},
		"shop":              {deadletter.Filter{Shops: []string{"acme"}}, []string{"2@3", "1@2", "0@1"}},
		"other shop":        {deadletter.Filter{Shops: []string{"acm"}}, nil},
		"shop by domain":    {deadletter.Filter{Shops: []string{"ACME.myshopify.com"}}, []string{"2@3", "1@2", "0@1"}},
		"entity":            {deadletter.Filter{Entities: []string{"order/3", "order/2"}}, []string{"2@3", "1@2"}},
		"entity by id":      {deadletter.Filter{Entities: []string{"1"}}, []string{"0@1"}},
		"other kind":        {deadletter.Filter{Entities: []string{"product/1"}}, nil},
		"class":             {deadletter.Filter{Classes: []string{schemas.ClassPanic, schemas.ClassTooLarge}}, []string{"2@3", "1@2"}},
		"since":             {deadletter.Filter{Since: began.Add(2 * time.Hour)}, []string{"2@3", "1@2"}},
		"until":             {deadletter.Filter{Until: began.Add(2 * time.Hour)}, []string{"0@1"}},
		"both must match":   {deadletter.Filter{Entities: []string{"1"}, Classes: []string{schemas.ClassPanic}}, nil},
		"id":                {deadletter.Filter{IDs: []deadletter.ID{{Topic: orders, Partition: 1, Offset: 2}}}, []string{"1@2"}},
		"id and its filter": {deadletter.Filter{IDs: []deadletter.ID{{Topic: orders, Partition: 1, Offset: 2}}, Shops: []string{"other"}}, nil},
	} {
		var got []string
		for _, id := range ids(w.list(b, c.f)) {
			got = append(got, strings.TrimPrefix(id, orders+"/"))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A newer letter of an event that a filter does not choose hides the older one: there is one letter for one event.
func TestTheNewestLetterOfAnEventIsTheOneThatCounts(t *testing.T) {
	w := newWorld(t)
	w.write(letter{offset: 1, order: 1, class: schemas.ClassNotReady}.record(), letter{offset: 1, order: 1, class: schemas.ClassPanic}.record())
	b := w.book(deadletter.Options{})
	if got := w.list(b, deadletter.Filter{Classes: []string{schemas.ClassNotReady}}); len(got) != 0 {
		t.Errorf("an older letter was listed: %v", ids(got))
	}
	if got := w.list(b, deadletter.Filter{}); len(got) != 1 || got[0].Class != schemas.ClassPanic {
		t.Errorf("want the newest letter alone, got %v", got)
	}
}

func TestAbortedLettersAreNotSeenAndOpenOnesAreWaitedFor(t *testing.T) {
	w := newWorld(t)
	tx := w.client(kgo.TransactionalID("runtime"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	begin := func(l letter) {
		t.Helper()
		if err := tx.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := tx.ProduceSync(t.Context(), l.record()).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	begin(letter{offset: 1, order: 1})
	if err := tx.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	w.write(letter{offset: 2, order: 2}.record())
	b := w.book(deadletter.Options{})
	if got := ids(w.list(b, deadletter.Filter{})); len(got) != 1 || got[0] != "shopify.orders/0@2" {
		t.Errorf("with an aborted letter in the log: %v", got)
	}
	begin(letter{offset: 3, order: 3})
	fetch := w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: dlq, Observe: true, Count: -1})
	listed := make(chan []string)
	go func() { listed <- ids(w.list(b, deadletter.Filter{})) }()
	if err := fetch.Wait(t.Context(), 2*partitions); err != nil { // the reader is at the open transaction
		t.Fatal(err)
	}
	if err := tx.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	if got := <-listed; len(got) != 2 {
		t.Errorf("the letter of a transaction that was open at the beginning is missing: %v", got)
	}
}

func TestGroupsAndTopicsAreFoundByTheNamesOfTopics(t *testing.T) {
	w := newWorld(t, kfake.SeedTopics(1, "a.b", "a.b.c.d.dlq", "a.b.c.d.retry", "gone.svc.dlq", "a.b.inventory.dlq"))
	groups, err := deadletter.Groups(t.Context(), w.opts)
	if diff := cmp.Diff([]string{"c.d", "inventory", "svc"}, groups); diff != "" || err != nil {
		t.Errorf("groups, %v (-want +got):\n%s", err, diff)
	}
	if diff := cmp.Diff([]string{"a.b", orders}, w.book(deadletter.Options{}).Topics()); diff != "" {
		t.Errorf("topics of inventory (-want +got):\n%s", diff)
	}
	for _, unknown := range []string{"d", "nosuch", ""} {
		_, err = deadletter.Open(t.Context(), w.opts, unknown, deadletter.Options{})
		if !errors.Is(err, deadletter.ErrUnknownGroup) || !strings.Contains(err.Error(), "c.d, inventory, svc") {
			t.Errorf("group %q gave %v, want ErrUnknownGroup and the groups there are", unknown, err)
		}
	}
	w = newWorld(t, kfake.SeedTopics(1, "T", "T.a.b.dlq"))
	if _, err := deadletter.Open(t.Context(), w.opts, "b", deadletter.Options{}); !errors.Is(err, deadletter.ErrUnknownGroup) {
		t.Errorf("group b took the topic of group a.b: %v", err)
	}
}

func TestAMissingRightIsNamed(t *testing.T) {
	w := newWorld(t)
	w.write(letter{offset: 1, order: 1}.record())
	b := w.book(deadletter.Options{})
	w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: dlq, Err: kerr.TopicAuthorizationFailed})
	_, err := b.Select(t.Context(), deadletter.Filter{})
	if !errors.Is(err, kerr.TopicAuthorizationFailed) || !strings.Contains(err.Error(), dlq) || !strings.Contains(err.Error(), "READ") {
		t.Errorf("reading without the right gave %v", err)
	}
	s := w.choose(b, deadletter.Filter{})
	w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: retry, Err: kerr.TopicAuthorizationFailed})
	_, err = b.Redrive(t.Context(), s, deadletter.Work{})
	if !errors.Is(err, kerr.TopicAuthorizationFailed) || !strings.Contains(err.Error(), retry) || !strings.Contains(err.Error(), "WRITE") {
		t.Errorf("writing without the right gave %v", err)
	}
	w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.TransactionalIDAuthorizationFailed})
	_, err = b.Redrive(t.Context(), s, deadletter.Work{})
	if !errors.Is(err, kerr.TransactionalIDAuthorizationFailed) || !strings.Contains(err.Error(), "inventory-dlq") {
		t.Errorf("a transactional id without the right gave %v", err)
	}
	if got := len(w.list(b, deadletter.Filter{})); got != 1 {
		t.Errorf("%d letters open after failures, want 1", got)
	}
}
