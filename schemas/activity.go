package schemas

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// ActivityTopic holds what services did with events, one record per outcome: it is what tells which service did what with an
// order, and when. Its key is the event's key, so that what was done with one entity is in one partition, and its value is an
// Activity as JSON, without headers.
//
// It is information, not a promise: a service that cannot write to it goes on without.
const ActivityTopic = "millrace.activity"

// Activity is one outcome of one event in one service.
type Activity struct {
	Service  string // name of the service; never empty
	Instance string // name of the process, empty where it has none

	SourceTopic     string // with the two below: the event as it first came
	SourcePartition int32
	SourceOffset    int64

	WebhookID    string // empty, like the two below and Received, when the event's headers could not be read
	Shop         string
	ShopifyTopic string
	Subject      string // entity, <kind>/<id>, or "shop"
	Received     time.Time

	Outcome string // one of Outcomes; never empty
	Class   string // why: of a failure, a wait and a dead letter its class, of a skip its reason; empty for OutcomeDone
	Attempt int    // 1 for the first try
	Error   string // at most MaxActivityText bytes
	Note    string // what the handler says that it did, at most MaxActivityText bytes

	Started time.Time
	Ended   time.Time
	Due     time.Time // of OutcomeRetry and OutcomeWaiting: when the next try is due; zero otherwise
}

// Values of Activity.Outcome.
const (
	OutcomeDone         = "done"          // handled
	OutcomeSkipped      = "skipped"       // nothing to do; the class is the reason
	OutcomeRetry        = "retry"         // failed, and will be tried again
	OutcomeWaiting      = "waiting"       // put off without a failure: for another event (not_ready), or for what the service needs (unavailable)
	OutcomeDeadLettered = "dead_lettered" // given up
	OutcomeRedriven     = "redriven"      // a person has sent a dead letter back
	OutcomeDropped      = "dropped"       // a person has settled a dead letter without handling it
)

// Outcomes returns the values of Activity.Outcome.
func Outcomes() []string {
	return []string{OutcomeDone, OutcomeSkipped, OutcomeRetry, OutcomeWaiting, OutcomeDeadLettered, OutcomeRedriven, OutcomeDropped}
}

// MaxActivityText is how much of an error or a note an Activity carries. Errors are other programs' texts: what is cut cannot
// carry much of a customer's.
const MaxActivityText = 300

// ErrNotActivity is returned (wrapped) by ParseActivity for a value that is not an Activity.
var ErrNotActivity = errors.New("not an activity record")

// ActivityFields returns the fields of the JSON object, in the order in which AppendActivity writes them. They are named as the
// columns of the table activity. The table in README.md is made from it.
func ActivityFields() []HeaderSpec {
	return []HeaderSpec{
		{"service", true, "name of the service: `inventory`"},
		{"instance", false, "name of the process, where it has one"},
		{"source_topic", true, "Kafka topic that the event was read from"},
		{"source_partition", true, "its partition, a number"},
		{"source_offset", true, "its offset, a number"},
		{"webhook_id", false, "`ce_id` of the event; it and the next four are missing where its headers could not be read"},
		{"shop", false, "shop domain"},
		{"shopify_topic", false, "`ce_shopifytopic` of the event"},
		{"subject", false, "entity, `<kind>/<id>` or `shop`"},
		{"received_time", false, "when the receiver had the whole body; RFC 3339, UTC, nanoseconds, as all times here"},
		{"outcome", true, "`done`, `skipped`, `retry`, `waiting`, `dead_lettered`, `redriven` or `dropped`"},
		{"class", false, "why: the class of the failure, or the reason of the skip"},
		{"attempt", true, "1 for the first try"},
		{"error", false, "the error's text, cut at 300 bytes, words with an @ left out"},
		{"note", false, "what the handler says that it did, cut at 300 bytes"},
		{"started", true, "when the try began"},
		{"ended", true, "when it ended"},
		{"due", false, "of `retry` and `waiting`: when the next try is due"},
	}
}

// AppendActivity appends a as JSON to dst. Empty texts and zero times are left out; bytes that are no UTF-8 become U+FFFD.
func AppendActivity(dst []byte, a *Activity) []byte {
	w := activityWriter{dst: append(dst, '{')}
	w.text("service", a.Service)
	w.text("instance", a.Instance)
	w.text("source_topic", a.SourceTopic)
	w.number("source_partition", int64(a.SourcePartition))
	w.number("source_offset", a.SourceOffset)
	w.text("webhook_id", a.WebhookID)
	w.text("shop", a.Shop)
	w.text("shopify_topic", a.ShopifyTopic)
	w.text("subject", a.Subject)
	w.time("received_time", a.Received)
	w.text("outcome", a.Outcome)
	w.text("class", a.Class)
	w.number("attempt", int64(a.Attempt))
	w.text("error", cutText(a.Error, MaxActivityText))
	w.text("note", cutText(a.Note, MaxActivityText))
	w.time("started", a.Started)
	w.time("ended", a.Ended)
	w.time("due", a.Due)
	return append(w.dst, '}')
}

type activityWriter struct {
	dst   []byte
	later bool // not the first field
}

func (w *activityWriter) name(name string) {
	if w.later {
		w.dst = append(w.dst, ',')
	}
	w.later = true
	w.dst = append(w.dst, '"')
	w.dst = append(w.dst, name...)
	w.dst = append(w.dst, '"', ':')
}

func (w *activityWriter) text(name, value string) {
	if value != "" {
		w.name(name)
		w.dst = appendJSONText(w.dst, value)
	}
}

func (w *activityWriter) number(name string, n int64) {
	w.name(name)
	w.dst = strconv.AppendInt(w.dst, n, 10)
}

func (w *activityWriter) time(name string, t time.Time) {
	if !t.IsZero() {
		w.name(name)
		w.dst = append(w.dst, '"')
		w.dst = append(appendTime(w.dst, t), '"')
	}
}

func appendJSONText(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
			continue
		}
		i++
	}
	return append(dst, '"')
}

// cutText returns the first n bytes of s, or one to three less so that no character is cut in two.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := n; i > n-utf8.UTFMax && i > 0; i-- {
		if utf8.RuneStart(s[i]) {
			return s[:i]
		}
	}
	return s[:n]
}

// activityObject is the JSON object as it is read.
type activityObject struct {
	Service         string `json:"service"`
	Instance        string `json:"instance"`
	SourceTopic     string `json:"source_topic"`
	SourcePartition int64  `json:"source_partition"`
	SourceOffset    int64  `json:"source_offset"`
	WebhookID       string `json:"webhook_id"`
	Shop            string `json:"shop"`
	ShopifyTopic    string `json:"shopify_topic"`
	Subject         string `json:"subject"`
	Received        string `json:"received_time"`
	Outcome         string `json:"outcome"`
	Class           string `json:"class"`
	Attempt         int64  `json:"attempt"`
	Error           string `json:"error"`
	Note            string `json:"note"`
	Started         string `json:"started"`
	Ended           string `json:"ended"`
	Due             string `json:"due"`
}

func (w *activityObject) check() error {
	switch {
	case w.Service == "":
		return errors.New("service is missing")
	case w.Outcome == "":
		return errors.New("outcome is missing")
	case w.Started == "":
		return errors.New("started is missing")
	case w.SourcePartition < 0 || w.SourcePartition > math.MaxInt32 || w.SourceOffset < 0 || w.Attempt < 0 || w.Attempt > math.MaxInt32:
		return fmt.Errorf("source_partition %d, source_offset %d, attempt %d", w.SourcePartition, w.SourceOffset, w.Attempt)
	}
	return nil
}

// ParseActivity reads what AppendActivity wrote. Fields that it does not know are passed over. Errors wrap ErrNotActivity.
func ParseActivity(value []byte) (Activity, error) {
	var w activityObject
	if err := json.Unmarshal(value, &w); err != nil {
		return Activity{}, fmt.Errorf("%w: %w", ErrNotActivity, err)
	}
	if err := w.check(); err != nil {
		return Activity{}, fmt.Errorf("%w: %w", ErrNotActivity, err)
	}
	a := Activity{
		Service: w.Service, Instance: w.Instance,
		SourceTopic: w.SourceTopic, SourcePartition: int32(w.SourcePartition), SourceOffset: w.SourceOffset, //nolint:gosec // check has looked
		WebhookID: w.WebhookID, Shop: w.Shop, ShopifyTopic: w.ShopifyTopic, Subject: w.Subject,
		Outcome: w.Outcome, Class: w.Class, Attempt: int(w.Attempt), Error: w.Error, Note: w.Note,
	}
	for _, f := range [...]struct {
		name, text string
		to         *time.Time
	}{{"received_time", w.Received, &a.Received}, {"started", w.Started, &a.Started}, {"ended", w.Ended, &a.Ended}, {"due", w.Due, &a.Due}} {
		if f.text == "" {
			continue
		}
		t, err := time.Parse(time.RFC3339Nano, f.text)
		if err != nil {
			return Activity{}, fmt.Errorf("%w: %s: %w", ErrNotActivity, f.name, err)
		}
		*f.to = t.UTC()
	}
	return a, nil
}
