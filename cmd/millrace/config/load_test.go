package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"millrace/schemas/secret"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sample has one field of every kind.
type sample struct {
	Kafka sampleKafka `mapstructure:"kafka"`
	Store sampleStore `mapstructure:"store"`
}

type sampleKafka struct {
	Brokers []string      `mapstructure:"brokers" help:"Addresses."`
	Timeout time.Duration `mapstructure:"timeout" help:"Longest wait."`
	SASL    sampleSASL    `mapstructure:"sasl"`
}

type sampleSASL struct {
	User     string          `mapstructure:"user" help:"User name."`
	Password secret.Secret   `mapstructure:"password" help:"Password."`
	Old      []secret.Secret `mapstructure:"old" help:"Passwords of yesterday."`
}

type sampleStore struct {
	Rows     int     `mapstructure:"rows" help:"Rows."`
	MaxBytes int64   `mapstructure:"max_bytes" help:"Bytes."`
	Share    float64 `mapstructure:"share" help:"Share."`
	Parts    int32   `mapstructure:"parts" help:"Parts."`
	Port     uint16  `mapstructure:"port" help:"Port."`
	Fsync    bool    `mapstructure:"fsync" help:"Sync."`

	Waits []time.Duration `mapstructure:"waits" help:"Waits."`
}

func defaultSample() sample {
	return sample{
		Kafka: sampleKafka{Brokers: []string{"a:1", "b:2"}, Timeout: 5 * time.Minute},
		Store: sampleStore{Rows: 100, MaxBytes: 10 << 20, Share: 0.5, Parts: 24, Port: 80, Waits: []time.Duration{0, 2 * time.Second}},
	}
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// flagsFor parses args as the flags of all sections.
func flagsFor(t *testing.T, args ...string) *Flags {
	t.Helper()
	target := defaultSample()
	f := newFlags(&target, []string{"kafka", "store"}, map[string]string{"store.rows": "rows"})
	for _, arg := range args {
		name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		found := false
		for _, g := range f.Groups() {
			if fl := g.Set.Lookup(name); fl != nil {
				found = true
				if value == "" {
					value = fl.NoOptDefVal
				}
				if err := g.Set.Set(name, value); err != nil {
					t.Fatal(err)
				}
			}
		}
		if !found {
			t.Fatalf("no flag %s", arg)
		}
	}
	return f
}

func TestEachLayerWinsOverTheOneBelow(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "c.yaml", "kafka:\n  brokers: [f:1]\n  timeout: 1s\nstore:\n  rows: 1\n  share: 0.1\n")
	got := defaultSample()
	_, origins, err := load(&got, Sources{
		File:    file,
		Environ: []string{"PATH=/bin", "MILLRACE_KAFKA_TIMEOUT=2s", "MILLRACE_STORE_ROWS=2"},
		Flags:   flagsFor(t, "--rows=3"),
	})
	if err != nil {
		t.Fatalf("load() error: %v", err)
	}
	want := defaultSample()
	want.Kafka.Brokers = []string{"f:1"} // replaced, not merged
	want.Kafka.Timeout = 2 * time.Second
	want.Store.Share = 0.1
	want.Store.Rows = 3
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("load() (-want, +got):\n%s", diff)
	}
	wantOrigins := map[string]Origin{
		"kafka.brokers": {LayerFile, file},
		"store.share":   {LayerFile, file},
		"kafka.timeout": {LayerEnv, "MILLRACE_KAFKA_TIMEOUT"},
		"store.rows":    {LayerFlag, "rows"},
	}
	if diff := cmp.Diff(wantOrigins, origins); diff != "" {
		t.Errorf("origins (-want, +got):\n%s", diff)
	}
}

func TestEveryFormatOfFileIsRead(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"c.yaml": "kafka: {brokers: [x:1], timeout: 3s}\nstore: {max_bytes: 64KiB, fsync: true, port: 8080, waits: [1s, 90s]}\n",
		"c.yml":  "kafka:\n  brokers: 'x:1'\n  timeout: 3s\nstore:\n  max_bytes: 65536\n  fsync: 'true'\n  port: '8080'\n  waits: 1s,1m30s\n",
		"c.toml": "[kafka]\nbrokers = ['x:1']\ntimeout = '3s'\n[store]\nmax_bytes = '64KiB'\nfsync = true\nport = 8080\nwaits = ['1s', '90s']\n",
		"c.json": `{"kafka":{"brokers":["x:1"],"timeout":"3s"},"store":{"max_bytes":65536,"fsync":true,"port":8080,"waits":["1s","90s"]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := defaultSample()
			if _, _, err := load(&got, Sources{File: writeFile(t, name, text)}); err != nil {
				t.Fatalf("load() error: %v", err)
			}
			want := defaultSample()
			want.Kafka.Brokers, want.Kafka.Timeout = []string{"x:1"}, 3*time.Second
			want.Store.MaxBytes, want.Store.Fsync, want.Store.Port = 64<<10, true, 8080
			want.Store.Waits = []time.Duration{time.Second, 90 * time.Second}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("load() (-want, +got):\n%s", diff)
			}
		})
	}
}

func TestEveryKindIsReadFromTextAndRefusesWhatItIsNot(t *testing.T) {
	t.Parallel()
	for env, want := range map[string]string{
		"MILLRACE_KAFKA_BROKERS=a:1, b:2,":            "",
		"MILLRACE_KAFKA_TIMEOUT=1m30s":                "",
		"MILLRACE_KAFKA_TIMEOUT=3":                    "kafka.timeout must be a duration with its unit, such as 500ms, 3s or 168h, is \"3\" (from environment MILLRACE_KAFKA_TIMEOUT)",
		"MILLRACE_STORE_ROWS=1_000":                   "",
		"MILLRACE_STORE_ROWS=ten":                     "store.rows must be a whole number, is \"ten\"",
		"MILLRACE_STORE_ROWS=1.5":                     "store.rows must be a whole number, is \"1.5\"",
		"MILLRACE_STORE_PARTS=3000000000":             "store.parts must fit 32 bits, is 3000000000",
		"MILLRACE_STORE_PORT=-1":                      "store.port must be from 0 to 65535, is -1",
		"MILLRACE_STORE_PORT=70000":                   "store.port must be from 0 to 65535, is 70000",
		"MILLRACE_STORE_MAX_BYTES=10MiB":              "",
		"MILLRACE_STORE_MAX_BYTES=10MB":               "store.max_bytes must be a size in bytes, such as 65536, 512KiB or 10MiB, is \"10MB\"",
		"MILLRACE_STORE_MAX_BYTES=9000000TiB":         "store.max_bytes must be a size in bytes",
		"MILLRACE_STORE_SHARE=half":                   "store.share must be a number, is \"half\"",
		"MILLRACE_STORE_SHARE=NaN":                    "store.share must be a number, is \"NaN\"",
		"MILLRACE_STORE_FSYNC=yes":                    "store.fsync must be true or false, is \"yes\"",
		"MILLRACE_STORE_FSYNC=":                       "", // empty is unset
		"MILLRACE_STORE_WAITS=0s,2s, 1m30s":           "",
		"MILLRACE_STORE_WAITS=0s,2":                   "store.waits [1] must be a duration with its unit, such as 500ms, 3s or 168h, is \"2\"",
		"MILLRACE_KAFKA_SASL_PASSWORD=" + secret.Mask: "kafka.sasl.password is the mask that `config dump` prints",
		"MILLRACE_KAFKA_SASL_OLD=a," + secret.Mask:    "kafka.sasl.old is the mask that `config dump` prints",
	} {
		t.Run(env, func(t *testing.T) {
			t.Parallel()
			got := defaultSample()
			_, _, err := load(&got, Sources{Environ: []string{env}})
			switch {
			case want == "" && err != nil:
				t.Errorf("load() error: %v", err)
			case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
				t.Errorf("load() error = %v, want %q", err, want)
			}
		})
	}
}

func TestAFileMayNotGiveAnotherKindOfValue(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"kafka: {timeout: 3}":            "kafka.timeout must be a duration with its unit",
		"kafka: {timeout: }":             "", // viper drops a null like an absent key
		"store: {rows: 1.5}":             "store.rows must be a whole number, is \"1.5\"",
		"store: {rows: [1]}":             "store.rows must be a plain value, is a list",
		"store: {rows: {a: 1}}":          "store.rows must be a plain value, is a group of keys",
		"kafka: {brokers: [{a: 1}]}":     "kafka.brokers [0] must be a plain value, is a group of keys",
		"kafka: [1]":                     "kafka is not a setting",
		"kafka: {timeout: 1s":            "cannot be read",
		"store: {rows: 1}\nstore: {}":    "cannot be read",
		"kafka: {brokrs: [a:1]}":         "kafka.brokrs is not a setting (from file ",
		"kafka: {sasl: {usr: x}}":        "did you mean kafka.sasl.user?",
		"zzzzzzzzzz: {completely: else}": "zzzzzzzzzz.completely is not a setting",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			got := defaultSample()
			_, _, err := load(&got, Sources{File: writeFile(t, "c.yaml", text)})
			switch {
			case want == "" && err != nil:
				t.Errorf("load() error: %v", err)
			case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
				t.Errorf("load() error = %v, want %q", err, want)
			}
		})
	}
}

func TestAMissingOrNamelessFileIsAClearProblem(t *testing.T) {
	t.Parallel()
	got := defaultSample()
	_, _, err := load(&got, Sources{File: filepath.Join(t.TempDir(), "none.yaml")})
	if err == nil || !strings.Contains(err.Error(), "none.yaml does not exist") {
		t.Errorf("load() error = %v, want that the file does not exist", err)
	}
	_, _, err = load(&got, Sources{File: writeFile(t, "millrace.conf", "")})
	if err == nil || !strings.Contains(err.Error(), "must end in .yaml") {
		t.Errorf("load() error = %v, want the endings there are", err)
	}
}

func TestAllProblemsAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	got := defaultSample()
	_, _, err := load(&got, Sources{
		File:    writeFile(t, "c.yaml", "kafka: {brokrs: [a:1], timeout: soon}\n"),
		Environ: []string{"MILLRACE_STORE_ROWS=ten", "MILLRACE_KAFKA_TIMEOT=1s"},
		Flags:   flagsFor(t, "--store-port=many"),
	})
	var keys []string
	for _, p := range Problems(err) {
		keys = append(keys, p.Key)
	}
	want := []string{"kafka.brokrs", "MILLRACE_KAFKA_TIMEOT", "kafka.timeout", "store.rows", "store.port"}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("keys of the problems (-want, +got):\n%s\n%v", diff, err)
	}
}

func TestAnUnknownVariableIsAProblemUnlessItIsKnownForSomethingElse(t *testing.T) {
	t.Parallel()
	for env, want := range map[string]string{
		"MILLRACE_KAFKA_BROKER=a:1":                         "MILLRACE_KAFKA_BROKER is not a setting (from environment); did you mean MILLRACE_KAFKA_BROKERS?",
		"MILLRACE_TEST_SERVICE=required":                    "MILLRACE_TEST_SERVICE is not a setting",
		"MILLRACE_QQQQQQQQQQQQQQQQ=1":                       "run `millrace config reference`",
		"MILLRACE_KAFKA=a:1":                                "MILLRACE_KAFKA is not a setting",
		"MILLRACE_STORE_MAX_PORT=8080":                      "MILLRACE_STORE_MAX_PORT is not a setting",
		"MILLRACE_TEST_SERVICES=required":                   "",
		"MILLRACE_TEST_SCREENSHOTS=/x":                      "",
		"MILLRACE_PAYLOADS=/x":                              "",
		"MILLRACE_CONFIG=/x":                                "",
		"MILLRACE_CACHE=/x":                                 "",
		"MILLRACE_ENGINE_CACHE=/x":                          "",
		"MILLRACE_SERVICE_HOST=10.0.0.1":                    "",
		"MILLRACE_INGEST_SERVICE_PORT=8080":                 "",
		"MILLRACE_INGEST_SERVICE_PORT_HTTP=8080":            "",
		"MILLRACE_INGEST_PORT=tcp://10.0.0.1:8080":          "",
		"MILLRACE_INGEST_PORT_8080_TCP=tcp://10.0.0.1:8080": "",
		"MILLRACE_INGEST_PORT_8080_TCP_ADDR=10.0.0.1":       "",
		"MILLRACES_KAFKA=x":                                 "",
	} {
		t.Run(env, func(t *testing.T) {
			t.Parallel()
			got := defaultSample()
			_, _, err := load(&got, Sources{Environ: []string{env}})
			switch {
			case want == "" && err != nil:
				t.Errorf("load() error: %v", err)
			case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
				t.Errorf("load() error = %v, want %q", err, want)
			}
		})
	}
}

func TestASecretCanBeReadFromAFile(t *testing.T) {
	t.Parallel()
	path := writeFile(t, "password", "hush-hush\n")
	got := defaultSample()
	settings, origins, err := load(&got, Sources{Environ: []string{"MILLRACE_KAFKA_SASL_PASSWORD_FILE=" + path}})
	if err != nil {
		t.Fatalf("load() error: %v", err)
	}
	if got.Kafka.SASL.Password.Reveal() != "hush-hush" {
		t.Errorf("password = %q, want the file's without its newline", got.Kafka.SASL.Password.Reveal())
	}
	text, err := dump(&got, settings, origins)
	if err != nil {
		t.Fatal(err)
	}
	if want := "# kafka.sasl.password_file, environment MILLRACE_KAFKA_SASL_PASSWORD_FILE"; !strings.Contains(string(text), want) {
		t.Errorf("dump has no %q:\n%s", want, text)
	}

	_, _, err = load(&got, Sources{Environ: []string{"MILLRACE_KAFKA_SASL_PASSWORD_FILE=" + path, "MILLRACE_KAFKA_SASL_PASSWORD=x"}})
	if err == nil || !strings.Contains(err.Error(), "kafka.sasl.password_file is given beside kafka.sasl.password") {
		t.Errorf("load() error = %v, want that both are given", err)
	}
	_, _, err = load(&got, Sources{Environ: []string{"MILLRACE_KAFKA_SASL_PASSWORD_FILE=" + path + ".no"}})
	if err == nil || !strings.Contains(err.Error(), "kafka.sasl.password_file cannot be read") {
		t.Errorf("load() error = %v, want that the file cannot be read", err)
	}
}

func TestADumpMasksSecretsTellsOriginsAndLoadsAgain(t *testing.T) {
	t.Parallel()
	cfg := defaultSample()
	settings, origins, err := load(&cfg, Sources{
		Environ: []string{"MILLRACE_KAFKA_SASL_USER=null", "MILLRACE_STORE_SHARE=0.25", "MILLRACE_KAFKA_TIMEOUT=90s", "MILLRACE_STORE_FSYNC=true"},
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := dump(&cfg, settings, origins)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# environment MILLRACE_STORE_SHARE", "max_bytes: 10MiB # default", `user: "null"`, "timeout: 1m30s", "waits: [0s, 2s] # default"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("dump has no %q:\n%s", want, text)
		}
	}
	var again sample
	if _, _, err := load(&again, Sources{File: writeFile(t, "dump.yaml", string(text))}); err != nil {
		t.Fatalf("load the dump: %v\n%s", err, text)
	}
	if diff := cmp.Diff(cfg, again, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the dump loads as something else (-want, +got):\n%s", diff)
	}

	cfg.Kafka.SASL.Password, cfg.Kafka.SASL.Old = "hush-hush", []secret.Secret{"hush-old"}
	text, err = dump(&cfg, settings, origins)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "hush") || strings.Count(string(text), secret.Mask) != 2 {
		t.Errorf("want two masks and no secret:\n%s", text)
	}
	_, _, err = load(&again, Sources{File: writeFile(t, "dump.yaml", string(text))})
	if len(Problems(err)) != 2 {
		t.Errorf("load() error = %v, want both masks refused", err)
	}
}

func TestAFieldWithoutATagIsFoundByTheFirstTest(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]any{
		"no help": &struct {
			A struct {
				B int `mapstructure:"b"`
			} `mapstructure:"a"`
		}{},
		"no name": &struct {
			A struct {
				B int `help:"x"`
			} `mapstructure:"a"`
		}{},
		"unreadable type": &struct {
			A struct {
				B map[string]int `mapstructure:"b" help:"x"`
			} `mapstructure:"a"`
		}{},
		"pointer to a part": &struct {
			A *sampleSASL `mapstructure:"a" help:"x"`
		}{},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Errorf("settingsOf(%s) did not panic", reflect.TypeOf(v))
				}
			}()
			settingsOf(v)
		})
	}
}
