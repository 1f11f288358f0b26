package saga

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"millrace/consumers/group/grouptest"
	"millrace/schemas"
)

// want compares lists.
func want(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// failing lets one verb fail in a way, always.
func failing(verb string, f fault) func(string) fault {
	return func(v string) fault {
		if v == verb {
			return f
		}
		return ok
	}
}

func TestAnOrderIsLedThroughTheSteps(t *testing.T) {
	l := newLog(t)
	l.tell(created(1))
	l.run()
	want(t, "calls", l.calls, "reserve", "charge", "ship")
	want(t, "events", l.emitted(), "SagaStarted", "StepRequested",
		"InventoryReserved", "StepCompleted", "StepRequested",
		"PaymentProcessed", "StepCompleted", "StepRequested",
		"FulfillmentStarted", "StepCompleted", "StepRequested",
		"ConfirmationRequested", "StepCompleted", "SagaCompleted")
	want(t, "notes", l.unit.Notes, "started the saga order", "reserved 3 × MUG", "charged 13.00 EUR", "the carrier has 3 × MUG", "the customer is to be told", "saga completed")
	r := l.state()
	if r.Phase != Completed || r.Asked != nil || r.Order != nil || r.Steps[1].Ref != "ch-1" {
		t.Errorf("run %+v", r)
	}
	whole(t, l, r)
}

func TestWhatTellsOfARunIsNumberedAndSaysWhy(t *testing.T) {
	l := newLog(t)
	l.fault = failing("charge", permanent)
	l.tell(created(1))
	l.run()
	var got []schemas.OrderEventData
	seq := int64(0)
	for _, rec := range l.unit.Emitted {
		meta, err := schemas.ParseHeaders(rec.Headers)
		if err != nil {
			t.Fatal(err)
		}
		e, err := schemas.DecodeOrderEvent(&meta, rec.Value)
		if err != nil {
			t.Fatal(err)
		}
		if e.By != Name || e.Shop != shopName || rec.Key != shopName+"|order/7" {
			t.Errorf("%s by %s of %s under %s", e.Type(), e.By, e.Shop, rec.Key)
		}
		switch d := e.Data.(type) {
		case *schemas.StepFailed:
			got = append(got, d)
			seq = d.Seq
		case *schemas.SagaCompensating:
			got = append(got, d)
			if e.Reason != "step charge failed, permanent: no" {
				t.Errorf("reason %q", e.Reason)
			}
		}
	}
	ref := func(n int64) schemas.SagaRef { return schemas.SagaRef{Saga: "order", Seq: n} }
	if diff := cmp.Diff([]schemas.OrderEventData{
		&schemas.StepFailed{SagaStep: schemas.SagaStep{SagaRef: ref(seq), Step: "charge"}, Class: "permanent", Attempt: 1, Error: "no"},
		&schemas.SagaCompensating{SagaRef: ref(seq + 1)},
	}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	want(t, "calls", l.calls, "reserve", "charge", "refund", "release")
	whole(t, l, l.state())
}

func TestACancellationPassesAStepThatWaits(t *testing.T) {
	l := newLog(t)
	l.fault = failing("charge", timesOutAfter)
	l.tell(created(1))
	for l.state().Asked == nil || l.state().Asked.Attempt < 3 {
		l.step()
	}
	l.tell(cancelledOrder(2))
	asked := l.now
	l.run()
	r := l.state()
	if r.Phase != Compensated || r.Reason != "cancelled by the shop" {
		t.Errorf("phase %s, reason %q", r.Phase, r.Reason)
	}
	if !r.Since.Equal(asked) {
		t.Errorf("undone %s after the cancellation", r.Since.Sub(asked))
	}
	want(t, "calls", l.calls, "reserve", "charge", "charge", "refund", "release")
	want(t, "skips", slices.DeleteFunc(l.skips, func(s string) bool { return s == skipNotForUs }), skipSuperseded)
	whole(t, l, r)
}

func TestAttemptsAndTimeRunOut(t *testing.T) {
	for name, tt := range map[string]struct {
		fault  fault
		calls  int
		reason string
		after  time.Duration // least
	}{
		"attempts": {timesOut, 7, "step charge failed, exhausted: no answer", time.Minute},
		"time":     {refused, 300, "step charge failed, timeout: ", 14 * time.Minute}, // no attempt burned
	} {
		l := newLog(t)
		l.fault = failing("charge", tt.fault)
		began := l.now
		l.tell(created(1))
		l.run()
		r := l.state()
		if r.Phase != Compensated || !strings.HasPrefix(r.Reason, tt.reason) || r.Since.Sub(began) < tt.after {
			t.Errorf("%s: phase %s, reason %q, after %s", name, r.Phase, r.Reason, r.Since.Sub(began))
		}
		if n := len(l.calls) - 3; n != tt.calls {
			t.Errorf("%s: %d tries, want %d", name, n, tt.calls)
		}
		whole(t, l, r)
	}
}

func TestTimeInWhichNobodyWasThereDoesNotCount(t *testing.T) {
	l := newLog(t)
	l.tell(created(1))
	l.step()
	l.now = l.now.Add(24 * time.Hour) // and no saga ran
	l.run()
	if r := l.state(); r.Phase != Completed {
		t.Errorf("phase %s, %s", r.Phase, r.Reason)
	}
}

func TestACompleteRunIsUndoneByACancellation(t *testing.T) {
	l := newLog(t)
	l.tell(created(1))
	l.run()
	l.tell(&schemas.OrderDeleted{})
	l.run()
	if r := l.state(); r.Phase != Completed {
		t.Fatalf("a cleared away order is undone: %s", r.Phase)
	}
	l.tell(cancelledOrder(2))
	l.run()
	l.tell(created(3)) // by a reconciliation
	l.run()
	want(t, "calls", l.calls, "reserve", "charge", "ship", "cancel", "refund", "release")
	if at := slices.Index(l.emitted(), "PaymentRefunded"); at < 0 {
		t.Error("no PaymentRefunded")
	} else if !strings.Contains(string(l.unit.Emitted[at].Value), `"charge_id":"ch-1","amount":"12.00","currency":"EUR"`) {
		t.Errorf("it says %s", l.unit.Emitted[at].Value)
	}
	whole(t, l, l.state())
}

// parkedLog is an order that was cancelled after its parcel had left.
func parkedLog(t *testing.T) *log {
	t.Helper()
	l := newLog(t)
	l.tell(created(1))
	l.run()
	l.fault = failing("cancel", permanent)
	l.tell(cancelledOrder(2))
	l.run()
	r := l.state()
	if r.Phase != Parked || r.Problem != "no" || len(l.letters) != 1 || !strings.Contains(l.letters[0].Error(), "step fulfil cannot be undone: no") {
		t.Fatalf("run %+v, letters %v", r, l.letters)
	}
	whole(t, l, r)
	return l
}

func TestAParkedRunWaitsForAPerson(t *testing.T) {
	request := schemas.SagaRequest{Saga: "order", Who: "ada"}
	l := parkedLog(t)
	letter := l.unit.Emitted[slices.Index(l.emitted(), "SagaParked")]
	l.fault = func(string) fault { return ok }
	l.tell(&schemas.SagaRetryRequested{SagaRequest: request})
	l.run()
	if r := l.state(); r.Phase != Compensated || r.Problem != "" {
		t.Errorf("after retry: %+v", r)
	}
	whole(t, l, l.state())
	l.append(letter) // redriven by somebody who did not know
	l.run()
	if len(l.letters) != 1 || l.skips[len(l.skips)-1] != skipSuperseded {
		t.Errorf("letters %v, skips %v", l.letters, l.skips)
	}

	l = parkedLog(t)
	calls := len(l.calls)
	l.tell(&schemas.SagaAbortRequested{SagaRequest: request})
	l.tell(&schemas.SagaRetryRequested{SagaRequest: request})
	l.tell(&schemas.SagaAbortRequested{SagaRequest: schemas.SagaRequest{Saga: "other"}})
	l.run()
	if r := l.state(); r.Phase != Aborted || len(l.calls) != calls {
		t.Errorf("after abort: %+v, calls %v", r, l.calls)
	}
	want(t, "skips", l.skips[len(l.skips)-3:], skipEnded, skipOtherSaga, skipNotForUs)
}

func TestUndoingIsRepeatedUntilItsTimeIsOver(t *testing.T) {
	l := newLog(t)
	l.fault = func(verb string) fault {
		switch verb {
		case "charge":
			return permanent
		case "refund":
			return timesOut
		default:
			return ok
		}
	}
	began := l.now
	l.tell(created(1))
	l.run()
	r := l.state()
	if took := r.Since.Sub(began); r.Phase != Parked || took < 23*time.Hour || took > 24*time.Hour || r.Steps[1].Attempts < 1000 {
		t.Errorf("parked after %s and %d attempts: %+v", took, r.Steps[1].Attempts, r)
	}
	if held := l.account().held("reserve"); held != 1 {
		t.Error("what comes before the parked step was undone")
	}
}

func TestAPersonDoesNotHaveToWait(t *testing.T) {
	request := schemas.SagaRequest{Saga: "order", Who: "ada"}
	l := newLog(t)
	l.fault = failing("charge", timesOut)
	l.tell(created(1))
	for l.state().Asked == nil || l.state().Asked.Attempt < 3 {
		l.step()
	}
	l.fault = func(string) fault { return ok }
	at := l.now
	l.tell(&schemas.SagaRetryRequested{SagaRequest: request})
	l.run()
	if r := l.state(); r.Phase != Completed || !r.Since.Equal(at) {
		t.Errorf("%s after %s", r.Phase, r.Since.Sub(at))
	}
	want(t, "calls", l.calls, "reserve", "charge", "charge", "charge", "ship")

	l = newLog(t)
	l.fault = failing("charge", timesOut)
	l.tell(created(1))
	for l.state().Asked == nil || l.state().Asked.Attempt < 2 {
		l.step()
	}
	l.tell(&schemas.SagaAbortRequested{SagaRequest: request})
	l.run()
	if r := l.state(); r.Phase != Compensated || r.Reason != "aborted by ada" {
		t.Errorf("%s: %s", r.Phase, r.Reason)
	}
	whole(t, l, l.state())
}

func TestWhichOrdersHaveARun(t *testing.T) {
	with := func(change func(*schemas.OrderVersion)) *schemas.OrderCreated {
		o := created(1)
		change(&o.OrderVersion)
		return o
	}
	for name, tt := range map[string]struct {
		told  []schemas.OrderEventData
		calls int
	}{
		"a new order":                  {[]schemas.OrderEventData{created(1)}, 3},
		"one that comes twice":         {[]schemas.OrderEventData{created(1), created(1)}, 3},
		"an update alone":              {[]schemas.OrderEventData{updated(1)}, 0},
		"paid":                         {[]schemas.OrderEventData{&schemas.PaymentReceived{OrderVersion: version(1)}}, 0},
		"cancelled before it came":     {[]schemas.OrderEventData{cancelledOrder(2), created(1)}, 0},
		"a newer version is cancelled": {[]schemas.OrderEventData{&schemas.OrderUpdated{OrderVersion: cancelledOrder(2).OrderVersion}, created(1)}, 0},
		"deleted before it came":       {[]schemas.OrderEventData{&schemas.OrderDeleted{}, created(1)}, 0},
		"of a test":                    {[]schemas.OrderEventData{with(func(v *schemas.OrderVersion) { v.Test = true })}, 0},
		"sent already":                 {[]schemas.OrderEventData{with(func(v *schemas.OrderVersion) { v.FulfillmentStatus = "fulfilled" })}, 0},
		"closed":                       {[]schemas.OrderEventData{with(func(v *schemas.OrderVersion) { v.ClosedAt = v.UpdatedAt })}, 0},
		"nothing to do": {[]schemas.OrderEventData{with(func(v *schemas.OrderVersion) {
			v.Lines, v.CurrentTotalPrice, v.TotalPrice = v.Lines[1:], schemas.Money{}, money("0.00")
		})}, 0},
	} {
		l := newLog(t)
		for _, data := range tt.told {
			l.tell(data)
		}
		l.run()
		if len(l.calls) != tt.calls || len(l.letters) > 0 {
			t.Errorf("%s: calls %v, letters %v", name, l.calls, l.letters)
		}
		if name == "nothing to do" && (l.state().Phase != Completed || l.state().Steps[0].Outcome != Passed) {
			t.Errorf("%s: %+v", name, l.state())
		}
	}
}

func TestEachStepSeesTheNewestVersionAndAllItsAttemptsTheSame(t *testing.T) {
	l := newLog(t)
	l.fault = failing("reserve", timesOutAfter)
	l.tell(updated(4)) // it came before the order
	l.tell(created(1))
	for l.state().Asked == nil || l.state().Asked.Attempt < 2 {
		l.step()
	}
	l.fault = func(string) fault { return ok }
	sent := version(6)
	sent.Fulfillments = []schemas.OrderFulfillment{
		{Status: "success", Lines: []schemas.LineQuantity{{LineID: "1", Quantity: 5}}},
		{Status: "cancelled", Lines: []schemas.LineQuantity{{LineID: "1", Quantity: 1}}},
	}
	l.tell(&schemas.OrderPartlyFulfilled{OrderVersion: sent})
	l.tell(updated(5))
	l.run()
	want(t, "notes", l.unit.Notes[len(l.unit.Notes)-5:],
		"reserved 6 × MUG", "charged 18.00 EUR", "the carrier has 3 × MUG", "the customer is to be told", "saga completed")
	whole(t, l, l.state())
}

func TestADefinitionOfOnesOwn(t *testing.T) {
	const text = `
saga: points
version: 2
starts_on: PaymentReceived
timeout: 1m
retry: [1s]
compensate_for: 1h
steps:
  - {step: points, do: {http: {url: "http://points.example/add"}}, undo: {http: {url: "http://points.example/take"}}}
  - {step: charge, do: {payment.charge: {amount: outstanding}}, undo: payment.refund, retry: [], timeout: 5s}
`
	l := newLog(t, defined(t, text))
	l.fault = failing("charge", timesOutAfter)
	paid := version(1)
	paid.TotalOutstanding = money("3.00")
	l.tell(created(1))
	l.tell(&schemas.PaymentReceived{OrderVersion: paid})
	l.run()
	want(t, "calls", l.calls, "http", "charge", "refund", "unhttp")
	r := l.state()
	if r.Phase != Compensated || r.Saga != "points" || r.Version != 2 || l.account().held("http") != 0 {
		t.Errorf("run %+v", r)
	}
	for key := range l.done {
		if !slices.Contains([]string{"points/points:acme.myshopify.com:7", "points/points:acme.myshopify.com:7:compensated", "charge:acme.myshopify.com:7", "refund:acme.myshopify.com:7:compensated"}, key) {
			t.Errorf("key %s", key)
		}
	}

	// A run ends by the version with which it began, and waits as a dead letter for one that is not there.
	for name, tt := range map[string]struct {
		text string
		kind grouptest.Kind
	}{
		"a newer version beside it":    {text + "---" + strings.Replace(text, "version: 2", "version: 3", 1), grouptest.Skipped},
		"a newer version alone":        {strings.Replace(text, "version: 2", "version: 3", 1), grouptest.Permanent},
		"the version without its step": {strings.Replace(text, "step: charge", "step: other", 1), grouptest.Permanent},
		"another saga":                 {strings.Replace(text, "saga: points", "saga: other", 1), grouptest.Permanent},
	} {
		other := newLog(t, defined(t, tt.text))
		other.unit.StateValue = l.unit.StateValue
		other.tell(updated(9))
		if out := other.unit.Handle(t.Context(), other.h, other.events[0].e); out.Kind != tt.kind {
			t.Errorf("%s: %s %v", name, out.Kind, out.Err)
		}
	}
}

func TestWhatCannotBeReadIsADeadLetter(t *testing.T) {
	l := newLog(t)
	l.tell(created(1))
	e := l.events[0].e
	for name, state := range map[string]string{"broken": "{", "newer": `{"v":2}`} {
		u := grouptest.Unit{StateValue: []byte(state)}
		if out := u.Handle(t.Context(), l.h, e); out.Kind != grouptest.Permanent {
			t.Errorf("%s state: %s", name, out.Kind)
		}
	}
	e.Body = []byte("{}")
	if out := new(grouptest.Unit).Handle(t.Context(), l.h, e); out.Kind != grouptest.Permanent {
		t.Errorf("broken event: %s", out.Kind)
	}
	// A newer program's type is none of ours.
	e.Topic = schemas.OrderEventTopic("SomethingNew")
	if out := new(grouptest.Unit).Handle(t.Context(), l.h, e); out.Kind != grouptest.Skipped {
		t.Errorf("unknown type: %s", out.Kind)
	}
}
