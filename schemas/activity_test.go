package schemas_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"millrace/schemas"
)

func fullActivity() schemas.Activity {
	return schemas.Activity{
		Service: "inventory", Instance: "inventory-0",
		SourceTopic: "shopify.orders", SourcePartition: 3, SourceOffset: 42,
		WebhookID: "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043", Shop: "acme.myshopify.com", ShopifyTopic: "orders/create", Subject: "order/820982911946154508",
		Received: time.Date(2026, 3, 30, 14, 30, 1, 0, time.UTC),
		Outcome:  schemas.OutcomeRetry, Class: "error", Attempt: 2, Error: "stock api: 503", Note: "reserved 2 × SKU-1",
		Started: time.Date(2026, 3, 30, 14, 30, 2, 123456789, time.UTC), Ended: time.Date(2026, 3, 30, 14, 30, 2, 223456789, time.UTC),
		Due: time.Date(2026, 3, 30, 14, 30, 6, 0, time.UTC),
	}
}

func TestAnActivityIsTheDocumentedJSON(t *testing.T) {
	a := fullActivity()
	want := `{"service":"inventory","instance":"inventory-0","source_topic":"shopify.orders","source_partition":3,"source_offset":42,` +
		`"webhook_id":"b54557e4-bdd9-4b37-8a5f-bf7d70bcd043","shop":"acme.myshopify.com","shopify_topic":"orders/create","subject":"order/820982911946154508",` +
		`"received_time":"2026-03-30T14:30:01.000000000Z","outcome":"retry","class":"error","attempt":2,"error":"stock api: 503","note":"reserved 2 × SKU-1",` +
		`"started":"2026-03-30T14:30:02.123456789Z","ended":"2026-03-30T14:30:02.223456789Z","due":"2026-03-30T14:30:06.000000000Z"}`
	if diff := cmp.Diff(want, string(schemas.AppendActivity(nil, &a))); diff != "" {
		t.Errorf("AppendActivity() (-want +got):\n%s", diff)
	}
	if got := string(schemas.AppendActivity([]byte("before "), &a)); got != "before "+want {
		t.Errorf("AppendActivity() to a prefix gave %s", got)
	}
}

func TestParseActivityReadsWhatAppendActivityWrote(t *testing.T) {
	for name, a := range map[string]schemas.Activity{
		"full":   fullActivity(),
		"barest": {Service: "s", Outcome: schemas.OutcomeDone, Started: time.Unix(1, 0).UTC()},
		"odd":    {Service: "a\"\\\n\x00\u2028é😀", Outcome: "new", Error: "<script>\x7f", Started: time.Unix(0, 5).UTC()},
	} {
		t.Run(name, func(t *testing.T) {
			value := schemas.AppendActivity(nil, &a)
			if !json.Valid(value) {
				t.Fatalf("no JSON: %s", value)
			}
			got, err := schemas.ParseActivity(value)
			if diff := cmp.Diff(a, got); diff != "" || err != nil {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestLongTextsOfAnActivityAreCutBetweenCharacters(t *testing.T) {
	a := fullActivity()
	a.Error, a.Note = "x"+strings.Repeat("😀", 100), strings.Repeat("n", schemas.MaxActivityText+1)
	got, err := schemas.ParseActivity(schemas.AppendActivity(nil, &a))
	if err != nil {
		t.Fatal(err)
	}
	if want := "x" + strings.Repeat("😀", 74); got.Error != want {
		t.Errorf("error is %q, want %q", got.Error, want)
	}
	if len(got.Note) != schemas.MaxActivityText {
		t.Errorf("note has %d bytes, want %d", len(got.Note), schemas.MaxActivityText)
	}
}

func TestParseActivityRefusesWhatIsNone(t *testing.T) {
	const rest = `"outcome":"done","started":"2026-03-30T14:30:01Z"`
	for name, value := range map[string]string{
		"nothing":             ``,
		"null":                `null`,
		"no object":           `[]`,
		"cut short":           `{"service":"s"`,
		"no service":          `{` + rest + `}`,
		"no outcome":          `{"service":"s","started":"2026-03-30T14:30:01Z"}`,
		"no start":            `{"service":"s","outcome":"done"}`,
		"a bad time":          `{"service":"s","due":"tomorrow",` + rest + `}`,
		"another type":        `{"service":7,` + rest + `}`,
		"a negative offset":   `{"service":"s","source_offset":-1,` + rest + `}`,
		"a huge partition":    `{"service":"s","source_partition":4294967296,` + rest + `}`,
		"a negative attempt":  `{"service":"s","attempt":-1,` + rest + `}`,
		"a fractional offset": `{"service":"s","source_offset":1.5,` + rest + `}`,
	} {
		if got, err := schemas.ParseActivity([]byte(value)); !errors.Is(err, schemas.ErrNotActivity) || got != (schemas.Activity{}) {
			t.Errorf("%s: ParseActivity() = %+v, %v, want ErrNotActivity", name, got, err)
		}
	}
}

func TestActivityFieldsAreThoseThatAreWritten(t *testing.T) {
	listed := map[bool][]string{}
	for _, f := range schemas.ActivityFields() {
		listed[true] = append(listed[true], f.Name)
		if f.Always {
			listed[false] = append(listed[false], f.Name)
		}
	}
	full, bare := fullActivity(), schemas.Activity{Service: "s", SourceTopic: "t", Outcome: "done", Started: time.Unix(1, 0), Ended: time.Unix(1, 0)}
	for all, a := range map[bool]schemas.Activity{true: full, false: bare} {
		if diff := cmp.Diff(listed[all], names(t, schemas.AppendActivity(nil, &a))); diff != "" {
			t.Errorf("all %v: ActivityFields() differs from what is written (-listed +written):\n%s", all, diff)
		}
	}
}

// names returns the names of an object's fields, in their order.
func names(t *testing.T, object []byte) []string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(object)))
	var out []string
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
		out = append(out, name.(string))
	}
	return out
}

func TestOutcomesListsEveryConstantInOrder(t *testing.T) {
	parsed, err := parser.ParseFile(token.NewFileSet(), "activity.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var constants []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Outcome") {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			constants = append(constants, value)
		}
		return true
	})
	if diff := cmp.Diff(constants, schemas.Outcomes()); diff != "" || len(constants) == 0 {
		t.Errorf("Outcomes() differs from the constants (-constants +listed):\n%s", diff)
	}
}

func TestREADMEListsTheFieldsOfActivity(t *testing.T) {
	var want strings.Builder
	want.WriteString("| field | present | content |\n|---|---|---|\n")
	for _, f := range schemas.ActivityFields() {
		present := "sometimes"
		if f.Always {
			present = "always"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s |\n", f.Name, present, f.Content)
	}
	listed(t, "activity", want.String())
}

// FuzzParseActivity feeds values that a stranger wrote. Invariants: no panic; an error is ErrNotActivity and comes with no
// activity; what is accepted has its required fields and survives being written again, but for texts that are cut.
func FuzzParseActivity(f *testing.F) {
	a := fullActivity()
	f.Add(schemas.AppendActivity(nil, &a))
	f.Add([]byte(`{"service":"s","outcome":"done","started":"2026-03-30T14:30:01-05:00","more":[{}]}`))
	f.Add([]byte(`{"service":"\ud800","outcome":"done","started":"9999-12-31T23:59:59-05:00"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, value []byte) {
		got, err := schemas.ParseActivity(value)
		if err != nil {
			if !errors.Is(err, schemas.ErrNotActivity) || got != (schemas.Activity{}) {
				t.Fatalf("activity %+v with error %v", got, err)
			}
			return
		}
		if got.Service == "" || got.Outcome == "" {
			t.Fatalf("accepted without a required field: %+v", got)
		}
		if len(got.Error) > schemas.MaxActivityText || len(got.Note) > schemas.MaxActivityText {
			return
		}
		for _, when := range []time.Time{got.Received, got.Started, got.Ended, got.Due} {
			if outside(when) || when.IsZero() {
				return // such times are cut off, or left out, by design
			}
		}
		again, err := schemas.ParseActivity(schemas.AppendActivity(nil, &got))
		if diff := cmp.Diff(got, again); diff != "" || err != nil {
			t.Fatalf("changed when written again, error %v (-first +second):\n%s", err, diff)
		}
	})
}

// FuzzActivityRoundTrip writes an arbitrary activity and reads it back. Invariant: what is written is JSON, and where the texts
// are UTF-8 and short enough it is the same.
func FuzzActivityRoundTrip(f *testing.F) {
	f.Add("inventory", "shopify.orders", int32(3), int64(42), "acme.myshopify.com", "order/1", "done", 1, "error", "note", int64(5), int64(0))
	f.Add("\xff", "\x00", int32(0), int64(0), "", "\"\\", "\u2028", 0, "😀", "", int64(-1), int64(1))
	f.Fuzz(func(t *testing.T, service, topic string, partition int32, offset int64, shop, subject, outcome string, attempt int, text, note string, started, due int64) {
		a := schemas.Activity{
			Service: service, SourceTopic: topic, SourcePartition: max(partition, 0), SourceOffset: max(offset, 0), Shop: shop, Subject: subject,
			Outcome: outcome, Attempt: min(max(attempt, 0), 1<<31-1), Error: text, Note: note, Started: time.Unix(0, started).UTC(),
		}
		if due != 0 {
			a.Due = time.Unix(0, due).UTC()
		}
		value := schemas.AppendActivity(nil, &a)
		if !json.Valid(value) || !utf8.Valid(value) {
			t.Fatalf("no JSON: %q", value)
		}
		got, err := schemas.ParseActivity(value)
		if complete := service != "" && outcome != ""; complete != (err == nil) {
			t.Fatalf("complete is %v, error is %v", complete, err)
		}
		for _, s := range []string{service, topic, shop, subject, outcome, text, note} {
			if !utf8.ValidString(s) || len(s) > schemas.MaxActivityText {
				return
			}
		}
		if err == nil {
			if diff := cmp.Diff(a, got); diff != "" {
				t.Fatalf("activity (-want +got):\n%s", diff)
			}
		}
	})
}
