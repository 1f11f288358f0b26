package config

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// required is what the defaults cannot know.
func required() []string {
	return []string{"MILLRACE_INGEST_SECRETS=hush"}
}

func TestDefaultsAndWhatIsRequiredValidate(t *testing.T) {
	t.Parallel()
	l, err := Load(Default(), Sources{Environ: required()})
	if err != nil {
		t.Fatalf("Load() error: %v", err)
	}
	if err := l.Check(); err != nil {
		t.Errorf("Check() error: %v", err)
	}
}

// broken holds one bad value for every section. A section that is missing here fails the test below.
func broken() map[string]string {
	return map[string]string{
		"kafka":         "MILLRACE_KAFKA_BROKERS=nowhere",
		"topics":        "MILLRACE_TOPICS_MIN_INSYNC_REPLICAS=4",
		"clickhouse":    "MILLRACE_CLICKHOUSE_URL=ftp://x",
		"analytics":     "MILLRACE_ANALYTICS_BATCH_ROWS=0",
		"erp":           "MILLRACE_ERP_FALLBACK=skip",
		"inventory":     "MILLRACE_INVENTORY_STOCK_URL=nowhere",
		"notifications": "MILLRACE_NOTIFICATIONS_CONSUMER_RETRY_JITTER=2",
		"fulfillment":   "MILLRACE_FULFILLMENT_SHIP_ON=never",
		"forward":       "MILLRACE_FORWARD_TOPICS=order/create",
		"own":           "MILLRACE_OWN_CONSUMER_CONCURRENCY=0",
		"orderstate":    "MILLRACE_ORDERSTATE_CONSUMER_RETRY_JITTER=2",
		"translate":     "MILLRACE_TRANSLATE_CONSUMER_CONCURRENCY=0",
		"saga":          "MILLRACE_SAGA_PAYMENT_CALL_CONCURRENCY=0",
		"ingest":        "MILLRACE_INGEST_MAX_IN_FLIGHT=0",
		"admin":         "MILLRACE_ADMIN_LISTEN=nowhere",
		"log":           "MILLRACE_LOG_LEVEL=loud",
		"reconcile":     "MILLRACE_RECONCILE_WINDOW=1s",
		"console":       "MILLRACE_CONSOLE_AUTH=perhaps",
		"dev":           "MILLRACE_DEV_SIMULATE=-1",
	}
}

func TestEverySectionIsValidatedUnderItsKey(t *testing.T) {
	t.Parallel()
	for _, section := range Sections() {
		t.Run(section, func(t *testing.T) {
			t.Parallel()
			entry, ok := broken()[section]
			if !ok {
				t.Fatalf("give a bad value of section %s in broken()", section)
			}
			name, _, _ := strings.Cut(entry, "=")
			l, err := Load(Default(), Sources{Environ: append(required(), entry)})
			if err != nil {
				t.Fatalf("Load() error: %v, want one from Check", err)
			}
			problems := Problems(l.Check())
			if len(problems) != 1 || !strings.HasPrefix(problems[0].Key, section+".") || problems[0].Origin.Name != name {
				t.Errorf("problems = %v, want one of a key in %s, from %s", problems, section, name)
			}
			others := slices.DeleteFunc(Sections(), func(s string) bool { return s == section })
			if err := l.Check(others...); err != nil {
				t.Errorf("Check(%v) error: %v, want none: the bad section was not asked for", others, err)
			}
		})
	}
}

func TestNoTwoSettingsShareAName(t *testing.T) {
	t.Parallel()
	cfg := Default()
	seen := map[string]string{}
	for _, s := range settingsOf(&cfg) {
		for _, name := range []string{s.Key, s.Env, "--" + s.Flag} {
			if other, taken := seen[name]; taken {
				t.Errorf("%s is the name of both %s and %s", name, s.Key, other)
			}
			seen[name] = s.Key
		}
		if !strings.HasSuffix(s.Help, ".") {
			t.Errorf("help of %s is not a sentence: %q", s.Key, s.Help)
		}
	}
}

func TestTheDumpOfTheDefaultsIsTheDefaults(t *testing.T) {
	t.Parallel()
	l, err := Load(Default(), Sources{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := l.Dump()
	if err != nil {
		t.Fatal(err)
	}
	var empty Config
	again, err := Load(empty, Sources{File: writeFile(t, "dump.yaml", string(text))})
	if err != nil {
		t.Fatalf("Load() the dump: %v\n%s", err, text)
	}
	if diff := cmp.Diff(l.Config, again.Config, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the dump loads as something else (-want, +got):\n%s", diff)
	}
}

func TestReferenceHasEverySetting(t *testing.T) {
	t.Parallel()
	cfg := Default()
	text := Reference()
	for _, s := range settingsOf(&cfg) {
		if !strings.Contains(text, "| `"+s.Key+"` | `"+s.Env+"` |") {
			t.Errorf("the reference has no row of %s", s.Key)
		}
	}
	if lines := strings.Count(text, "\n"); lines != 2+len(settingsOf(&cfg)) {
		t.Errorf("the reference has %d lines, want a heading of two and one for each of %d settings", lines, len(settingsOf(&cfg)))
	}
}
