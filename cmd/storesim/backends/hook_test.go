package backends

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"millrace/cmd/storesim/backends/effects"
)

// forward sends an event to the hook as the service forward does.
func (w *world) forward(path, key, signature, body string) (status int, answer string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.addr.Hook+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for k, v := range map[string]string{
		"Idempotency-Key": key, "X-Millrace-Signature": signature, "ce-source": "/shopify/" + acme, "ce-subject": "order%2F1", "Authorization": "Bearer tok",
	} {
		r.Header.Set(k, v)
	}
	resp, err := w.http.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(text))
}

func TestTheHookKeepsItsContract(t *testing.T) {
	w := start(t, func(c *Config) { c.HookSecret, c.HookToken = "hush", "tok" }, "hook/"+acme+":rate_limit=1000")
	const body, good = `{"id":1, "note":"Zoë"}`, "bmlYWfAiT7eGoFV5/5d642Qq1q4map99LRbRTyZWa7Q=" // openssl dgst -sha256 -hmac hush -binary | base64
	for i, step := range []struct {
		path, key, signature, body string
		status                     int
		want                       string
	}{
		{"/", "e1", good, body, 200, `{"received":true}`},
		{"/", "e1", good, body, 200, `{"received":true}`},
		{"/else", "e1", good, body, 422, `"key_reused"`},
		{"/a/b", "e2", good, body, 200, `{"received":true}`},
		{"/", "e3", good, body + " ", 401, `{"error":"bad_signature"}`},
		{"/", "e3", "", body, 401, `{"error":"bad_signature"}`},
		{"/", "e3", "?", body, 401, `{"error":"bad_signature"}`},
		{"/", "", good, body, 422, "Idempotency-Key is missing"},
	} {
		if status, answer := w.forward(step.path, step.key, step.signature, step.body); status != step.status || !strings.Contains(answer, step.want) {
			t.Errorf("step %d: %d %s, want %d %s", i, status, answer, step.status, step.want)
		}
	}
	s := w.summary().Hook
	if s.Forwarded != 2 || s.Repeats != 1 || s.Bytes != int64(2*len(body)) || s.Refused["bad_signature"] != 3 || s.RefusedKeys["bad_signature"] != 1 || len(s.Anomalies) != 0 {
		t.Errorf("summary %+v", s)
	}
	var entries Entries
	w.admin(http.MethodGet, "/ledger?backend=hook&order=1&shop="+acme, "", &entries)
	if e := entries.Entries; len(e) != 2 || e[1].Kind != effects.Forwarded || e[1].Key != "e2" || e[1].Subject != "order/1" || e[1].Path != "/a/b" || e[1].Bytes != len(body) {
		t.Errorf("entries %+v", entries)
	}
}

func TestAHookWithoutASecretTakesWhatIsNotSigned(t *testing.T) {
	w := start(t, nil)
	if status, answer := w.forward("/", "e1", "", "not JSON"); status != 200 {
		t.Errorf("%d %s", status, answer)
	}
}
