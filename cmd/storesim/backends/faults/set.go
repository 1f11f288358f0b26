package faults

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The backends, as rules, ledgers and addresses name them.
const (
	Stock   = "stock"
	Payment = "payment"
	Carrier = "carrier"
	ERP     = "erp"
	Hook    = "hook"
	SMTP    = "smtp"
)

// Backends lists them all, in the order in which they are shown.
func Backends() []string { return []string{Stock, Payment, Carrier, ERP, Hook, SMTP} }

// Set is the rules of all backends: what GET /faults shows and PUT /faults takes.
type Set struct {
	Stock   ShopRules `json:"stock"`
	Payment ShopRules `json:"payment"`
	Carrier ShopRules `json:"carrier"`
	ERP     ShopRules `json:"erp"`
	Hook    ShopRules `json:"hook"`
	SMTP    SMTPRules `json:"smtp"`
}

// ShopRules are those of an HTTP API.
type ShopRules struct {
	Default Rule            `json:"default"`
	Shops   map[string]Rule `json:"shops,omitempty"`
}

// SMTPRules are those of the SMTP server. Domains are those of recipients, in lower case.
type SMTPRules struct {
	Default Rule            `json:"default"`
	Domains map[string]Rule `json:"domains,omitempty"`
}

// Validate returns all mistakes at once, each with its place.
func (s *Set) Validate() error {
	var errs []error
	check := func(place, backend string, r Rule) {
		if err := errors.Join(r.Validate(), r.fits(backend)); err != nil {
			errs = append(errs, within(place, err))
		}
	}
	for _, backend := range Backends() {
		d, named, _ := s.of(backend)
		check(backend+".default", backend, *d)
		for _, name := range slices.Sorted(maps.Keys(*named)) {
			place := backend + ".shops." + name
			if backend == SMTP {
				place = backend + ".domains." + name
			}
			check(place, backend, (*named)[name])
			if name != key(backend, name) {
				errs = append(errs, fmt.Errorf("%s must be in lower case", place))
			}
		}
	}
	return errors.Join(errs...)
}

// within puts the place in front of each line of err.
func within(place string, err error) error {
	lines := strings.Split(err.Error(), "\n")
	for i := range lines {
		lines[i] = place + ": " + lines[i]
	}
	return errors.New(strings.Join(lines, "\n"))
}

// Rule returns the rule that was set for the name (a shop, a domain; empty: the backend's own) of a backend. known is false
// when there is no such backend.
func (s *Set) Rule(backend, name string) (r Rule, set, known bool) {
	d, named, known := s.of(backend)
	if !known {
		return r, false, false
	}
	if name == "" {
		return *d, true, true
	}
	r, set = (*named)[key(backend, name)]
	return r, set, true
}

// With returns a copy of the set in which the rule of backend and name is replaced, or removed when r is nil. known is false
// when there is no such backend.
func (s *Set) With(backend, name string, r *Rule) (changed Set, known bool) {
	changed = *s
	d, named, known := changed.of(backend)
	if !known {
		return changed, false
	}
	*named = maps.Clone(*named)
	switch {
	case name != "" && r == nil:
		delete(*named, key(backend, name))
	case name != "":
		if *named == nil {
			*named = map[string]Rule{}
		}
		(*named)[key(backend, name)] = *r
	case r == nil:
		*d = Rule{}
	default:
		*d = *r
	}
	return changed, true
}

func (s *Set) of(backend string) (d *Rule, named *map[string]Rule, known bool) {
	switch backend {
	case Stock:
		return &s.Stock.Default, &s.Stock.Shops, true
	case Payment:
		return &s.Payment.Default, &s.Payment.Shops, true
	case Carrier:
		return &s.Carrier.Default, &s.Carrier.Shops, true
	case ERP:
		return &s.ERP.Default, &s.ERP.Shops, true
	case Hook:
		return &s.Hook.Default, &s.Hook.Shops, true
	case SMTP:
		return &s.SMTP.Default, &s.SMTP.Domains, true
	default:
		return nil, nil, false
	}
}

// key is how the name of a shop or domain is looked up: shops as they are, domains without case.
func key(backend, name string) string {
	if backend == SMTP {
		return strings.ToLower(name)
	}
	return name
}
