package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"millrace/schemas/secret"
)

func TestSecretNeverPrintsItself(t *testing.T) {
	const text = "hush-hush"
	type nested struct{ Password secret.Secret }
	v := nested{Password: text}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%v %+v %#v %s", v, v, v, v.Password)
	if err := json.NewEncoder(&out).Encode(v); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("config", "nested", v, "plain", v.Password)
	if strings.Contains(out.String(), text) {
		t.Errorf("the secret leaked: %s", out.String())
	}
	if v.Password.Reveal() != text {
		t.Errorf("Reveal() = %q, want %q", v.Password.Reveal(), text)
	}
	if s := secret.Secret("").String(); s != "" {
		t.Errorf("empty secret prints %q, want nothing, so that a missing one shows", s)
	}
}
