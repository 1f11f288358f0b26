package config

import (
	"os"
	"regexp"
	"strings"

	"millrace/schemas/suggest"
)

// EnvFile names the variable that holds the path of the configuration file where --config is not given.
const EnvFile = EnvPrefix + "CONFIG"

// notSettings are MILLRACE_* variables that mean something, but are not settings: the configuration file, the switches
// of the tests and where the fetched parts are cached.
const notSettings = `^MILLRACE_(CONFIG|TEST_(SERVICES|SCREENSHOTS)|PAYLOADS|(.+_)?CACHE)$`

// Kubernetes and Docker links put these into every pod in whose namespace there is a service named millrace-…; they
// must not stop the pod from starting. MILLRACE_INGEST_PORT=8080 is a user's mistake, with tcp:// before it it is a link.
const (
	serviceLinks    = `^MILLRACE_(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`
	serviceLinkPort = `^MILLRACE_(.+_)?PORT=(tcp|udp|sctp)://`
)

// Getenv returns the value of name in environ, a list as os.Environ gives; the last one wins.
func Getenv(environ []string, name string) string {
	value := ""
	for _, e := range environ {
		if k, v, ok := strings.Cut(e, "="); ok && k == name {
			value = v
		}
	}
	return value
}

// fromEnv sorts the MILLRACE_* variables of environ into values by key and problems for the names that no setting
// has. An empty variable counts as unset, so that a compose file may pass on what its user did not give.
func fromEnv(environ []string, settings []Setting) (values map[string]string, problems []Problem) {
	byEnv := make(map[string]Setting, len(settings))
	names := make([]string, 0, len(settings))
	for _, s := range settings {
		byEnv[s.Env] = s
		names = append(names, s.Env)
	}
	ignore := regexp.MustCompile(notSettings + `|` + serviceLinks)
	ignoreEntry := regexp.MustCompile(serviceLinkPort)
	values = map[string]string{}
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, EnvPrefix) {
			continue
		}
		if s, known := byEnv[name]; known {
			if value != "" {
				values[s.Key] = value
			}
			continue
		}
		if ignore.MatchString(name) || ignoreEntry.MatchString(e) {
			continue
		}
		problems = append(problems, Problem{
			Key: name, Text: "is not a setting", Origin: Origin{Layer: LayerEnv},
			Advice: advise(name, names, "unset it, or run `millrace config reference` for the names there are"),
		})
	}
	return values, problems
}

func advise(wrong string, names []string, otherwise string) string {
	if near := suggest.Nearest(wrong, names); near != "" {
		return "did you mean " + near + "?"
	}
	return otherwise
}

// readSecret returns the text of a secret's file.
func readSecret(path string) (string, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the operator names the file: reading it is the setting's purpose
	if err != nil {
		return "", err //nolint:wrapcheck // the caller puts the key before it
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}
