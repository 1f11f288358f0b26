package saga

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"millrace/consumers/internal/check"

	"millrace/schemas"
)

// Definition is a saga as data; order.yaml explains it.
type Definition struct {
	Saga          string          `yaml:"saga"`
	Version       int64           `yaml:"version"`
	StartsOn      string          `yaml:"starts_on"` // type of an event that has the order
	Timeout       time.Duration   `yaml:"timeout"`   // of steps that have none of their own
	Retry         []time.Duration `yaml:"retry"`     // likewise
	CompensateFor time.Duration   `yaml:"compensate_for"`
	Steps         []Step          `yaml:"steps"`
}

// Step is one step of a Definition.
type Step struct {
	Name    string          `yaml:"step"`
	Do      Action          `yaml:"do"`
	Undo    Action          `yaml:"undo"` // no name: there is nothing to undo
	Timeout time.Duration   `yaml:"timeout"`
	Retry   []time.Duration `yaml:"retry"` // waits before the attempts after the first
}

// Action names what is done, with its settings.
type Action struct {
	Name      string
	Amount    string `yaml:"amount"`     // of payment.charge: AmountTotal or AmountOutstanding
	URL       string `yaml:"url"`        // of http
	TokenFile string `yaml:"token_file"` // of http: where its bearer token stands; empty for none
}

// Values of Action.Amount.
const (
	AmountTotal       = "total"
	AmountOutstanding = "outstanding"
)

//go:embed order.yaml
var orderDefinition []byte

// UnmarshalYAML reads a name, or a map of one name to settings.
func (a *Action) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		a.Name = node.Value
		return nil
	}
	if node.Kind != yaml.MappingNode || len(node.Content) != 2 || node.Content[1].Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: an action is a name, or one name with its settings", node.Line)
	}
	settings := node.Content[1]
	for i := 0; i < len(settings.Content); i += 2 { // KnownFields does not reach into an Unmarshaler
		key := settings.Content[i]
		if !slices.Contains([]string{"amount", "url", "token_file"}, key.Value) {
			return fmt.Errorf("line %d: an action has no setting %s", key.Line, key.Value)
		}
	}
	type plain Action
	if err := settings.Decode((*plain)(a)); err != nil {
		return err
	}
	a.Name = node.Content[0].Value
	return nil
}

// ParseDefinitions reads a file: the versions of one saga, each a document. It returns them with the newest last.
func ParseDefinitions(text []byte) ([]Definition, error) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	var all []Definition
	var p check.Problems
	for {
		var d Definition
		switch err := dec.Decode(&d); {
		case errors.Is(err, io.EOF):
			if len(all) == 0 {
				return nil, errors.New("it has no definition")
			}
			slices.SortFunc(all, func(a, b Definition) int { return int(a.Version - b.Version) })
			return all, p.Err()
		case err != nil:
			return nil, err
		}
		d.defaults()
		p.Part(fmt.Sprintf("version %d", d.Version), d.validate())
		for i := range all {
			if all[i].Version == d.Version {
				p.Report("version %d is there twice", d.Version)
			}
			if all[i].Saga != d.Saga {
				p.Report("it has two sagas, %q and %q; each needs a file and a consumer group of its own", all[i].Saga, d.Saga)
			}
		}
		all = append(all, d)
	}
}

func (d *Definition) defaults() {
	for i := range d.Steps {
		s := &d.Steps[i]
		if s.Timeout == 0 {
			s.Timeout = d.Timeout
		}
		if s.Retry == nil {
			s.Retry = d.Retry
		}
	}
}

// names of sagas and steps become parts of keys and labels.
const namePattern = `^[a-z][a-z0-9_-]{0,30}$`

func (d *Definition) validate() error {
	var p check.Problems
	name := regexp.MustCompile(namePattern)
	if !name.MatchString(d.Saga) {
		p.Report("saga must be a short name in small letters, is %q", d.Saga)
	}
	if d.Version < 1 {
		p.Report("version must be 1 or more, is %d", d.Version)
	}
	if d.StartsOn != schemas.TypeOrderCreated && d.StartsOn != schemas.TypePaymentReceived {
		p.Report("starts_on must be %s or %s, is %q", schemas.TypeOrderCreated, schemas.TypePaymentReceived, d.StartsOn)
	}
	p.AtLeast("compensate_for", d.CompensateFor, time.Second)
	if len(d.Steps) == 0 {
		p.Report("steps must not be empty")
	}
	seen := map[string]bool{}
	for i := range d.Steps {
		s := &d.Steps[i]
		if !name.MatchString(s.Name) || seen[s.Name] {
			p.Report("steps[%d].step must be a short name in small letters and no other step's, is %q", i, s.Name)
		}
		seen[s.Name] = true
		p.Part("step "+s.Name, s.validate())
	}
	return p.Err()
}

func (s *Step) validate() error {
	var p check.Problems
	p.AtLeast("timeout", s.Timeout, time.Second)
	for i, wait := range s.Retry {
		p.AtLeast(fmt.Sprintf("retry[%d]", i), wait, 0)
	}
	p.Part("do", s.Do.validate(false))
	if s.Undo.Name != "" {
		p.Part("undo", s.Undo.validate(true))
	}
	return p.Err()
}

func (a *Action) validate(undo bool) error {
	var p check.Problems
	if known := actionNames(undo); !slices.Contains(known, a.Name) {
		p.Report("action must be one of %s, is %q", strings.Join(known, ", "), a.Name)
	}
	if a.Amount != "" && (a.Name != actionCharge || a.Amount != AmountTotal && a.Amount != AmountOutstanding) {
		p.Report("amount is for %s, and is %s or %s", actionCharge, AmountTotal, AmountOutstanding)
	}
	if (a.URL != "") != (a.Name == actionHTTP) || a.TokenFile != "" && a.Name != actionHTTP {
		p.Report("url and token_file are for %s, which needs a url", actionHTTP)
	}
	return p.Err()
}

// index returns where a step is, -1 for nowhere.
func (d *Definition) index(step string) int {
	return slices.IndexFunc(d.Steps, func(s Step) bool { return s.Name == step })
}

// wait returns the wait after a failed attempt, counted from 1; ok is false after the last.
func (s *Step) wait(attempt int) (d time.Duration, ok bool) {
	if attempt > len(s.Retry) {
		return 0, false
	}
	return s.Retry[attempt-1], true
}

// undoWait returns the wait after a failed attempt to undo: there is no last one.
func (s *Step) undoWait(attempt int) time.Duration {
	const least = time.Second // undoing goes on for long
	if len(s.Retry) == 0 {
		return least
	}
	return max(least, s.Retry[min(attempt, len(s.Retry))-1])
}
