package faults

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Apply adds one flag's text to the set: the backend, or backend/name, a colon and fields of Rule as in JSON, for example
// "stock:latency=20ms,error_rate=0.05" or "stock/acme.myshopify.com:down". Fields without a value are set to true; those that
// are lists are added to. Nothing is validated beyond the form.
func (s *Set) Apply(text string) error {
	scope, fields, ok := strings.Cut(text, ":")
	backend, name, named := strings.Cut(strings.TrimSpace(scope), "/")
	r, _, known := s.Rule(backend, name)
	switch {
	case !known:
		return fmt.Errorf("fault %q must begin with a backend: %s", text, strings.Join(Backends(), ", "))
	case named && name == "":
		return fmt.Errorf("fault %q must name a shop or domain behind the slash", text)
	case !ok || strings.TrimSpace(fields) == "":
		return fmt.Errorf("fault %q must have fields behind a colon, e.g. %s:latency=20ms", text, scope)
	}
	for _, field := range strings.Split(fields, ",") {
		k, v, has := strings.Cut(strings.TrimSpace(field), "=")
		if !has {
			v = "true"
		}
		if err := r.set(k, v); err != nil {
			return fmt.Errorf("fault %q: %w", text, err)
		}
	}
	*s, _ = s.With(backend, name, &r)
	return nil
}

// Field is one field of Rule.
type Field struct{ Name, Help string }

// Fields lists what a rule can say, for help texts.
func Fields() []Field {
	var out []Field
	for f := range reflect.TypeFor[Rule]().Fields() {
		out = append(out, Field{Name: jsonName(f), Help: f.Tag.Get("help")})
	}
	return out
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func (r *Rule) set(name, text string) error {
	v := reflect.ValueOf(r).Elem()
	for i := range v.NumField() {
		if jsonName(v.Type().Field(i)) == name {
			if err := setValue(v.Field(i), text); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		}
	}
	return fmt.Errorf("%q is not a field", name)
}

func setValue(v reflect.Value, text string) (err error) {
	switch p := v.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		return p.UnmarshalText([]byte(text))
	case *float64:
		*p, err = strconv.ParseFloat(text, 64)
	case *int:
		*p, err = strconv.Atoi(text)
	case *bool:
		*p, err = strconv.ParseBool(text)
	case *[]string:
		*p = append((*p)[:len(*p):len(*p)], text)
	case *[]Outage:
		o, err := parseOutage(text)
		*p = append((*p)[:len(*p):len(*p)], o)
		return err
	default: // OutageAs
		v.SetString(text)
	}
	if err != nil {
		return fmt.Errorf("%q is not a %s", text, v.Kind())
	}
	return nil
}
