package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"

	"millrace/schemas/secret"
)

// EnvPrefix begins the name of every environment variable that is a setting.
const EnvPrefix = "MILLRACE_"

// kind is how the text of a setting is read and shown.
type kind uint8

const (
	kindText kind = iota
	kindBool
	kindInteger
	kindNumber
	kindDuration
	kindSize // an integer of bytes: its key ends in _bytes
	kindList
)

// word is the kind as help shows it.
func (k kind) word() string {
	switch k {
	case kindBool:
		return "true|false"
	case kindInteger:
		return "integer"
	case kindNumber:
		return "number"
	case kindDuration:
		return "duration"
	case kindSize:
		return "size"
	case kindList:
		return "list"
	default:
		return "text"
	}
}

// Setting is one leaf of a configuration and the names under which it can be set.
type Setting struct {
	Key    string // kafka.sasl.user: in a file
	Env    string // MILLRACE_KAFKA_SASL_USER
	Flag   string // kafka-sasl-user, without the dashes
	Help   string // a sentence
	Secret bool   // shown masked

	kind  kind
	index []int // path to the field, for reflect
	// fileOf is the key of the secret that this setting names a file for; such a setting has no field of its own.
	fileOf string
}

// Section is the part of the key before its first dot.
func (s Setting) Section() string {
	section, _, _ := strings.Cut(s.Key, ".")
	return section
}

// settingsOf lists the leaves of the struct that v points to, in the order of its fields. For every secret that is
// not a list there is a second setting, <key>_file, for secrets that are mounted as files.
//
// A leaf without a `help` tag or of a type that no rule covers is a mistake of the programmer: it panics, in a test.
func settingsOf(v any) []Setting {
	t := reflect.TypeOf(v).Elem()
	return walk(t, nil, nil)
}

func walk(t reflect.Type, path []string, index []int) []Setting {
	var out []Setting
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("mapstructure"), ",")
		here := append(append([]int(nil), index...), f.Index...)
		if options == "squash" {
			out = append(out, walk(f.Type, path, here)...)
			continue
		}
		if name == "" || !f.IsExported() {
			panic(fmt.Sprintf("config: field %s.%s needs a mapstructure tag", t, f.Name))
		}
		at := append(append([]string(nil), path...), name)
		if f.Type.Kind() == reflect.Struct && !reflect.PointerTo(f.Type).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
			out = append(out, walk(f.Type, at, here)...)
			continue
		}
		s := newSetting(at, f.Tag.Get("help"))
		s.index, s.kind, s.Secret = here, kindOf(f.Type, s.Key), isSecret(f.Type)
		out = append(out, s)
		if s.Secret && s.kind == kindText {
			file := newSetting(append(at[:len(at)-1:len(at)-1], name+"_file"), "File that holds "+s.Key+", instead of giving it here; a newline at its end is dropped.")
			file.fileOf = s.Key
			out = append(out, file)
		}
	}
	return out
}

func newSetting(path []string, help string) Setting {
	key := strings.Join(path, ".")
	if help == "" {
		panic("config: setting " + key + " needs a help tag")
	}
	names := strings.ReplaceAll(key, ".", "_")
	return Setting{
		Key:  key,
		Env:  EnvPrefix + strings.ToUpper(names),
		Flag: strings.ReplaceAll(names, "_", "-"),
		Help: help,
	}
}

func isSecret(t reflect.Type) bool {
	s := reflect.TypeFor[secret.Secret]()
	return t == s || (t.Kind() == reflect.Slice && t.Elem() == s)
}

func kindOf(t reflect.Type, key string) kind {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return kindDuration
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return kindText
	}
	switch t.Kind() { //nolint:exhaustive // the rest falls through to the panic
	case reflect.String:
		return kindText
	case reflect.Bool:
		return kindBool
	case reflect.Float32, reflect.Float64:
		return kindNumber
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if strings.HasSuffix(key, "_bytes") {
			return kindSize
		}
		return kindInteger
	case reflect.Slice:
		if t.Elem().Kind() == reflect.String || t.Elem() == reflect.TypeFor[time.Duration]() {
			return kindList
		}
	}
	panic(fmt.Sprintf("config: setting %s has type %s, which no text stands for", key, t))
}

// elementKind is the kind of what a list holds.
func elementKind(list reflect.Type) kind {
	if list.Elem() == reflect.TypeFor[time.Duration]() {
		return kindDuration
	}
	return kindText
}
