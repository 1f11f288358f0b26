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
	Stock = "stock"
	SMTP  = "smtp"
)

// Set is the rules of all backends: what GET /faults shows and PUT /faults takes.
type Set struct {
	Stock StockRules `json:"stock"`
	SMTP  SMTPRules  `json:"smtp"`
}

// StockRules are those of the stock API.
type StockRules struct {
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
	check := func(place string, r Rule) {
		if err := r.Validate(); err != nil {
			errs = append(errs, within(place, err))
		}
	}
	check("stock.default", s.Stock.Default)
	for _, shop := range slices.Sorted(maps.Keys(s.Stock.Shops)) {
		check("stock.shops."+shop, s.Stock.Shops[shop])
	}
	mail := func(place string, r Rule) {
		check(place, r)
		if len(r.InsufficientSKUs) > 0 {
			errs = append(errs, fmt.Errorf("%s: insufficient_skus must not be set: mail has no stock", place))
		}
	}
	mail("smtp.default", s.SMTP.Default)
	for _, domain := range slices.Sorted(maps.Keys(s.SMTP.Domains)) {
		mail("smtp.domains."+domain, s.SMTP.Domains[domain])
		if domain != strings.ToLower(domain) {
			errs = append(errs, fmt.Errorf("smtp.domains.%s must be in lower case", domain))
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
	changed.Stock.Shops, changed.SMTP.Domains = maps.Clone(s.Stock.Shops), maps.Clone(s.SMTP.Domains)
	d, named, known := changed.of(backend)
	switch {
	case !known:
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
	return changed, known
}

func (s *Set) of(backend string) (d *Rule, named *map[string]Rule, known bool) {
	switch backend {
	case Stock:
		return &s.Stock.Default, &s.Stock.Shops, true
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
