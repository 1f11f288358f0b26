package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/viper"
)

// Layer is where a value can come from, weakest first.
type Layer uint8

// The layers.
const (
	LayerDefault Layer = iota
	LayerFile
	LayerEnv
	LayerFlag
)

// Origin is where one value came from.
type Origin struct {
	Layer Layer
	Name  string // of the file, variable or flag
}

// String names the origin, or is "" for a default.
func (o Origin) String() string {
	switch o.Layer {
	case LayerFile:
		return "file " + o.Name
	case LayerEnv:
		return strings.TrimSpace("environment " + o.Name)
	case LayerFlag:
		return "flag --" + o.Name
	default:
		return ""
	}
}

// Sources are the layers above the defaults. Each may be empty.
type Sources struct {
	File    string   // path; its extension (.yaml, .yml, .toml, .json) tells the format
	Environ []string // as os.Environ gives it
	Flags   *Flags
}

// Loaded is a configuration and where each of its values came from.
type Loaded struct {
	Config   Config
	settings []Setting
	origins  map[string]Origin
}

// Load lays the sources over defaults. Every value that does not parse and every name that no setting has is a Problem
// in the returned *Error; the values are not validated yet, see Check: which sections matter is the command's to say.
func Load(defaults Config, from Sources) (*Loaded, error) {
	l := &Loaded{Config: defaults}
	var err error
	l.settings, l.origins, err = load(&l.Config, from)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// load works on any struct that target points to, so that tests can bring a small one.
func load(target any, from Sources) ([]Setting, map[string]Origin, error) {
	settings := settingsOf(target)
	v := viper.New()
	origins := make(map[string]Origin, len(settings))
	var problems []Problem
	if from.File != "" {
		problems = append(problems, readFile(v, from.File, settings)...)
		for _, s := range settings {
			if v.InConfig(s.Key) {
				origins[s.Key] = Origin{LayerFile, from.File}
			}
		}
	}
	env, unknown := fromEnv(from.Environ, settings)
	problems = append(problems, unknown...)
	layer := map[string]any{}
	for _, s := range settings {
		if text, ok := env[s.Key]; ok {
			nest(layer, strings.Split(s.Key, "."), text)
			origins[s.Key] = Origin{LayerEnv, s.Env}
		}
	}
	if err := v.MergeConfigMap(layer); err != nil {
		return nil, nil, fmt.Errorf("merge environment: %w", err)
	}
	for _, s := range settings {
		if f, ok := from.Flags.lookup(s.Key); ok && f.HasChanged() {
			if err := v.BindFlagValue(s.Key, f); err != nil {
				return nil, nil, fmt.Errorf("bind flag %s: %w", f.Name(), err)
			}
			origins[s.Key] = Origin{LayerFlag, f.Name()}
		}
	}
	problems = append(problems, assign(reflect.ValueOf(target).Elem(), v, settings, origins)...)
	return settings, origins, asError(problems)
}

// assign puts what viper holds into the fields. What no layer gave keeps its default.
func assign(root reflect.Value, v *viper.Viper, settings []Setting, origins map[string]Origin) []Problem {
	var problems []Problem
	byKey := make(map[string]Setting, len(settings))
	for _, s := range settings {
		byKey[s.Key] = s
	}
	for _, s := range settings {
		origin, given := origins[s.Key]
		if !given {
			continue
		}
		raw := v.Get(s.Key)
		if s.fileOf != "" {
			if other, both := origins[s.fileOf]; both && other.Layer != LayerDefault {
				problems = append(problems, Problem{Key: s.Key, Text: "is given beside " + s.fileOf, Origin: origin, Advice: "give one of them"})
				continue
			}
			text, err := readSecret(fmt.Sprint(raw))
			if err != nil {
				problems = append(problems, Problem{Key: s.Key, Text: "cannot be read: " + err.Error(), Origin: origin})
				continue
			}
			s, raw = byKey[s.fileOf], text
		}
		if err := set(root.FieldByIndex(s.index), s.kind, raw); err != nil {
			problems = append(problems, Problem{Key: s.Key, Text: err.Error(), Origin: origin})
		}
	}
	return problems
}

// readFile reads path into v and returns its problems: that it cannot be read or parsed, and keys that no setting has.
func readFile(v *viper.Viper, path string, settings []Setting) []Problem {
	format := strings.TrimPrefix(filepath.Ext(path), ".")
	if !slices.Contains([]string{"yaml", "yml", "toml", "json"}, format) {
		return []Problem{{Key: path, Text: "must end in .yaml, .yml, .toml or .json", Advice: "name the configuration file after its format"}}
	}
	v.SetConfigFile(path)
	if err := v.ReadInConfig(); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return []Problem{{Key: path, Text: "does not exist", Advice: "give the path of the configuration file with --config or " + EnvFile}}
		}
		return []Problem{{Key: path, Text: "cannot be read: " + strings.Join(strings.Fields(err.Error()), " ")}}
	}
	known := make([]string, 0, len(settings))
	for _, s := range settings {
		known = append(known, s.Key)
	}
	var problems []Problem
	keys := v.AllKeys()
	slices.Sort(keys)
	for _, key := range keys {
		if slices.Contains(known, key) {
			continue
		}
		// A group of keys under a setting that takes a plain value is told of by the value's parser.
		if slices.ContainsFunc(known, func(k string) bool { return strings.HasPrefix(key, k+".") }) {
			continue
		}
		problems = append(problems, Problem{
			Key: key, Text: "is not a setting", Origin: Origin{LayerFile, path},
			Advice: advise(key, known, "remove it, or run `millrace config reference` for the keys there are"),
		})
	}
	return problems
}

func nest(m map[string]any, path []string, value string) {
	for _, name := range path[:len(path)-1] {
		inner, ok := m[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
			m[name] = inner
		}
		m = inner
	}
	m[path[len(path)-1]] = value
}
