package compose_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"millrace/cmd/millrace/cli"
	"millrace/cmd/millrace/config"
)

// There is no container engine where these tests run: the files are parsed, and each thing they refer to is looked up.

type file struct {
	Services map[string]service
	Secrets  map[string]struct{ Environment string }
	Volumes  map[string]any
}

type service struct {
	Image       string
	Command     []string
	Entrypoint  []string
	Environment map[string]string
	Ports       []string
	Volumes     []string
	Secrets     []string
	Profiles    []string
	Restart     string
	Build       struct{ Context, Dockerfile string }
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	Healthcheck struct{ Test []string }
}

func load(t *testing.T) file {
	t.Helper()
	var f file
	if err := yaml.Unmarshal(read(t, "compose.yaml"), &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Services) < 8 {
		t.Fatalf("only %d services", len(f.Services))
	}
	return f
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestEveryReferenceLeadsSomewhere(t *testing.T) {
	f := load(t)
	for name, s := range f.Services {
		if s.Image == "" || strings.HasSuffix(s.Image, ":latest") || !strings.Contains(s.Image, ":") {
			t.Errorf("%s: image %q has no version", name, s.Image)
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s: port %s is open to everybody", name, p)
			}
		}
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if _, named := f.Volumes[from]; named {
				continue
			}
			if _, err := os.Stat(from); err != nil || !strings.HasSuffix(v, ":ro") {
				t.Errorf("%s: volume %s: %v", name, v, err)
			}
		}
		for _, secret := range s.Secrets {
			if f.Secrets[secret].Environment == "" {
				t.Errorf("%s: secret %s is not declared", name, secret)
			}
		}
		for other, d := range s.DependsOn {
			needed, ok := f.Services[other]
			switch {
			case !ok:
				t.Errorf("%s depends on %s, which is not there", name, other)
			case d.Condition == "service_healthy" && len(needed.Healthcheck.Test) == 0:
				t.Errorf("%s waits for the health of %s, which has no check", name, other)
			case d.Condition == "service_completed_successfully" && needed.Restart != "on-failure":
				t.Errorf("%s waits for the end of %s, which is started again and again", name, other)
			}
		}
		if s.Restart == "unless-stopped" && len(s.Profiles) == 0 && len(s.Healthcheck.Test) == 0 {
			t.Errorf("%s runs on and has no health check", name)
		}
		if s.Build.Context != "" {
			if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestNoSecretIsInTheFiles(t *testing.T) {
	f := load(t)
	secret := regexp.MustCompile(`(PASSWORD|SECRETS?|TOKEN)(_FILE)?$`)
	given := regexp.MustCompile(`^(\$\{([A-Z_]+):\?[^}]*\}|/run/secrets/([a-z]+))$`)
	var wanted []string
	for name, s := range f.Services {
		for key, value := range s.Environment {
			if !secret.MatchString(key) {
				continue
			}
			m := given.FindStringSubmatch(value)
			switch {
			case m == nil:
				t.Errorf("%s: %s stands in the file", name, key)
			case m[2] != "":
				wanted = append(wanted, m[2])
			case !slices.Contains(s.Secrets, m[3]):
				t.Errorf("%s: %s is %s, which the service is not given", name, key, value)
			default:
				wanted = append(wanted, f.Secrets[m[3]].Environment)
			}
		}
	}
	if len(wanted) < 6 {
		t.Errorf("only %v were found", wanted)
	}
	example := read(t, ".env.example")
	for _, w := range wanted {
		if !bytes.Contains(example, []byte("\n"+w+"=\n")) {
			t.Errorf(".env.example does not name %s, or gives it a value", w)
		}
	}
}

// Each command of millrace is one that exists, with settings that exist and pass its checks.
func TestTheProgramsUnderstandTheirSettings(t *testing.T) {
	password := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(password, []byte("hush"), 0o600); err != nil {
		t.Fatal(err)
	}
	sections := map[string][]string{
		"topics": {"kafka", "topics"}, "tables": {"clickhouse"}, "ingest": {"kafka", "ingest", "admin"},
		"analytics": {"kafka", "clickhouse", "analytics", "admin"}, "console": {"kafka", "clickhouse", "console", "admin"},
	}
	for name, s := range load(t).Services {
		if s.Image != "millrace:local" || len(s.Entrypoint) > 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if sections[name] == nil {
				t.Fatal("this test does not know its sections")
			}
			var environ []string
			for key, value := range s.Environment {
				value = regexp.MustCompile(`^\$\{.*\}$`).ReplaceAllString(value, "hush")
				if strings.HasPrefix(value, "/run/secrets/") {
					value = password
				}
				environ = append(environ, key+"="+value)
			}
			l, err := config.Load(config.Default(), config.Sources{Environ: environ})
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Check(sections[name]...); err != nil {
				t.Error(err)
			}
			if strings.HasPrefix(strings.Join(s.Healthcheck.Test, " "), "CMD curl") && !strings.Contains(strings.Join(s.Healthcheck.Test, " "), l.Config.Admin.Listen[strings.LastIndex(l.Config.Admin.Listen, ":"):]+"/") {
				t.Errorf("the health check %v is not of admin.listen %s", s.Healthcheck.Test, l.Config.Admin.Listen)
			}
			var out bytes.Buffer
			if code := cli.Run(t.Context(), cli.Process{Args: append(slices.Clone(s.Command), "--help"), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out}); code != cli.ExitOK || !strings.Contains(out.String(), "millrace "+strings.Join(s.Command, " ")) {
				t.Errorf("millrace %v: exit code %d\n%s", s.Command, code, out.String())
			}
		})
	}
}

func TestPrometheusScrapesWhatRuns(t *testing.T) {
	f := load(t)
	targets := regexp.MustCompile(`(?m)^ +- (\w+):(\d+)$`).FindAllStringSubmatch(string(read(t, "../prometheus/prometheus.yml")), -1)
	for _, m := range targets {
		if listen := f.Services[m[1]].Environment["MILLRACE_ADMIN_LISTEN"]; listen != "0.0.0.0:"+m[2] {
			t.Errorf("%s:%s is scraped, and listens on %q", m[1], m[2], listen)
		}
	}
	n := 0
	for _, s := range f.Services {
		if s.Environment["MILLRACE_ADMIN_LISTEN"] != "" {
			n++
		}
	}
	if n != len(targets) || n < 3 {
		t.Errorf("%d of %d processes are scraped", len(targets), n)
	}
}

// What Grafana's data sources take from the environment is in it.
func TestGrafanaHasWhatItsProvisioningNeeds(t *testing.T) {
	grafana := load(t).Services["grafana"]
	for _, m := range regexp.MustCompile(`\$([A-Z_]+)`).FindAllStringSubmatch(string(read(t, "../grafana/provisioning/datasources/millrace.yaml")), -1) {
		if grafana.Environment[m[1]] == "" {
			t.Errorf("grafana has no %s", m[1])
		}
	}
	provider := string(read(t, "../grafana/provisioning/dashboards/millrace.yaml"))
	if !slices.ContainsFunc(grafana.Volumes, func(v string) bool {
		_, to, _ := strings.Cut(strings.TrimSuffix(v, ":ro"), ":")
		return strings.Contains(provider, "path: "+to+"\n")
	}) {
		t.Error("no volume is where the dashboards are looked for")
	}
}

func TestTheImageIsBuiltFromWhatIsThere(t *testing.T) {
	for _, m := range regexp.MustCompile(`\./cmd/\w+|go\.(mod|sum)`).FindAllString(string(read(t, "Dockerfile")), -1) {
		if _, err := os.Stat(filepath.Join("../..", m)); err != nil {
			t.Error(err)
		}
	}
}
