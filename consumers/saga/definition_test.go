package saga

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestTheDefinitionBuiltInReadsLikeASentence(t *testing.T) {
	all, err := DefaultConfig().Definitions()
	if err != nil || len(all) != 1 {
		t.Fatalf("%d definitions, %v", len(all), err)
	}
	d := all[0]
	var got []string
	for i := range d.Steps {
		s := &d.Steps[i]
		got = append(got, s.Name+": "+s.Do.Name+" / "+s.Undo.Name)
		if s.Timeout != 15*time.Minute || len(s.Retry) != 6 {
			t.Errorf("%s: timeout %s, retry %v", s.Name, s.Timeout, s.Retry)
		}
	}
	want(t, "steps", got, "reserve: stock.reserve / stock.release", "charge: payment.charge / payment.refund", "fulfil: carrier.ship / carrier.cancel", "confirm: mail.confirm / ")
	if d.CompensateFor != 24*time.Hour {
		t.Errorf("compensate_for %s", d.CompensateFor)
	}
}

func TestREADMEShowsTheDefinition(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	for line := range strings.Lines(string(orderDefinition)) {
		if !strings.HasPrefix(line, "#") {
			shown.WriteString("    " + line)
		}
	}
	if !strings.Contains(string(readme), "\n\n"+shown.String()+"\n") {
		t.Errorf("README.md does not show\n%s", &shown)
	}
}

func TestEveryProblemOfADefinitionIsReportedWithItsPlace(t *testing.T) {
	const good = "saga: a\nversion: 1\nstarts_on: OrderCreated\ntimeout: 1m\ncompensate_for: 1h\nsteps:\n- {step: s, do: mail.confirm}\n"
	if _, err := ParseDefinitions([]byte(good)); err != nil {
		t.Fatal(err)
	}
	with := func(old, text string) string { return strings.Replace(good, old, text, 1) }
	for name, tt := range map[string]struct{ text, want string }{
		"nothing":             {"", "it has no definition"},
		"not YAML":            {"\t", "yaml"},
		"an unknown field":    {good + "extra: 1\n", "field extra not found"},
		"a name":              {with("saga: a", "saga: A b"), "version 1.saga must be a short name"},
		"a version":           {with("version: 1", "version: 0"), "version must be 1 or more"},
		"a start":             {with("OrderCreated", "OrderUpdated"), "starts_on must be"},
		"no time":             {with("timeout: 1m\n", ""), "version 1.step s.timeout must be at least 1s"},
		"no end":              {with("compensate_for: 1h\n", ""), "compensate_for must be at least"},
		"a negative wait":     {with("do: mail.confirm", "do: mail.confirm, retry: [-1s]"), "retry[0] must be"},
		"no steps":            {with("- {step: s, do: mail.confirm}\n", "  []\n"), "steps must not be empty"},
		"one step twice":      {good + "- {step: s, do: mail.confirm}\n", "steps[1].step must be"},
		"an unknown action":   {with("mail.confirm", "stock.steal"), "do.action must be one of stock.reserve, "},
		"undoing as doing":    {with("mail.confirm", "stock.release"), "do.action must be one of"},
		"doing as undoing":    {with("do: mail.confirm", "do: mail.confirm, undo: mail.confirm"), "undo.action must be one of stock.release, "},
		"a setting too many":  {with("do: mail.confirm", "do: {mail.confirm: {amount: total}}"), "amount is for payment.charge"},
		"an unknown setting":  {with("do: mail.confirm", "do: {http: {address: x}}"), "an action has no setting address"},
		"an unknown amount":   {with("do: mail.confirm", "do: {payment.charge: {amount: half}}"), "amount is for payment.charge, and is total or outstanding"},
		"http without url":    {with("do: mail.confirm", "do: http"), "url and token_file are for http, which needs a url"},
		"a list as an action": {with("do: mail.confirm", "do: [mail.confirm]"), "an action is a name"},
		"a version twice":     {good + "---\n" + good, "version 1 is there twice"},
		"two sagas":           {good + "---\n" + strings.NewReplacer("saga: a", "saga: b", "version: 1", "version: 2").Replace(good), `it has two sagas, "a" and "b"`},
	} {
		if _, err := ParseDefinitions([]byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}
