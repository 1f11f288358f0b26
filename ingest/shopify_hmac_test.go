package ingest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"millrace/ingest"
	"millrace/schemas/secret"
)

// shopifyAPI is the directory that pins Shopify's own library, and asks it.
const shopifyAPI = "testdata/shopify-hmac"

// hmacQuestion and hmacAnswer are the lines that hmac.mjs there reads and prints.
type hmacQuestion struct {
	Secret string `json:"secret"`
	Body   []byte `json:"body_base64"`
	HMAC   string `json:"hmac"`
}

type hmacAnswer struct {
	HMAC  string `json:"hmac"`
	Valid bool   `json:"valid"`
}

func TestSignaturesAgreeWithShopifysLibraryOn1000Bodies(t *testing.T) {
	secrets := []string{"hush", "shpss_0123456789abcdef0123456789abcdef", "пароль 店 🗝", strings.Repeat("longer than a block of SHA-256 ", 5)}
	random := rand.New(rand.NewPCG(7, 8))
	questions := make([]hmacQuestion, 1000)
	for i := range questions {
		q := hmacQuestion{Secret: secrets[i%len(secrets)], Body: oddBody(random)}
		q.HMAC = ingest.Sign(q.Secret, q.Body)
		if i%10 == 9 { // every tenth is a forgery
			q.HMAC = ingest.Sign(q.Secret, append(bytes.Clone(q.Body), ' '))
		}
		questions[i] = q
	}
	answers := askShopify(t, questions)

	h := start(t, func(c *ingest.Config) {
		c.Secrets = nil
		for _, s := range secrets {
			c.Secrets = append(c.Secrets, secret.Secret(s))
		}
	})
	for i, q := range questions {
		a, genuine := answers[i], i%10 != 9
		if got := ingest.Sign(q.Secret, q.Body); got != a.HMAC {
			t.Errorf("body %q: we sign %s, Shopify's library %s", q.Body, got, a.HMAC)
		}
		if a.Valid != genuine {
			t.Errorf("body %q: Shopify's library takes our signature: %t, want %t", q.Body, a.Valid, genuine)
		}
		status := map[bool]int{true: 200, false: 401}
		h.want(status[genuine], webhook{body: string(q.Body), id: fmt.Sprint("agreement-", i), header: map[string]string{"X-Shopify-Hmac-Sha256": q.HMAC}})
		h.want(200, webhook{body: string(q.Body), id: fmt.Sprint("theirs-", i), header: map[string]string{"X-Shopify-Hmac-Sha256": a.HMAC}})
		if t.Failed() {
			t.FailNow() // one difference is enough to look at
		}
	}
}

// oddBody returns a JSON object that has, between and within its tokens, the text that naive handling changes: line ends of
// every kind, byte order marks, separators that only JavaScript counts as line ends, combining marks, escapes of what need
// not be escaped, surrogate pairs, control characters. It is UTF-8, since the library takes a body as text.
func oddBody(random *rand.Rand) []byte {
	blanks := []string{"", "", " ", "\t", "\n", "\r\n", "\r", "  \n\t ", "\n\n\n"}
	texts := []string{
		"plain", "Ünïcödé", "店铺", "مرحبا", "🛒🇨🇭👩‍👩‍👧", "e\u0301", "\u00a0nbsp\u00a0", "\u2028line\u2029paragraph", "\ufeffmark", "zero\u200bwidth",
		`\u0000`, `\ud83d\uded2`, `\/slash\/`, `\"quote\"`, `\\`, "\x7f", "\u0085", "\U0010ffff", "\ufffd", "{{liquid}} %s <b>&amp;</b> +%20",
	}
	pick := func(from []string) string { return from[random.IntN(len(from))] }
	var b bytes.Buffer
	if random.IntN(20) == 0 {
		b.WriteString("\ufeff")
	}
	b.WriteString(pick(blanks) + "{" + pick(blanks))
	fmt.Fprintf(&b, `"id":%s%d`, pick(blanks), random.Int64())
	for range random.IntN(60) {
		b.WriteString(pick(blanks) + "," + pick(blanks) + `"` + pick(texts) + `"` + pick(blanks) + ":" + pick(blanks) + `"`)
		for range random.IntN(8) {
			b.WriteString(pick(texts))
		}
		b.WriteString(`"`)
	}
	b.WriteString(pick(blanks) + "}" + pick(blanks))
	return b.Bytes()
}

// askShopify lets the library answer. It skips the test where Node.js is missing, unless MILLRACE_TEST_SERVICES=required.
func askShopify(t *testing.T, questions []hmacQuestion) []hmacAnswer {
	t.Helper()
	dir := requireShopifyAPI(t)
	var stdin bytes.Buffer
	enc := json.NewEncoder(&stdin)
	for _, q := range questions {
		if err := enc.Encode(q); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "node", filepath.Join(shopifyAPI, "hmac.mjs"), dir)
	cmd.Stdin, cmd.Stderr = &stdin, &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ask Shopify's library: %v\n%s", err, stderr.String())
	}
	var answers []hmacAnswer
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var a hmacAnswer
		if err := dec.Decode(&a); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
	if len(answers) != len(questions) {
		t.Fatalf("%d answers to %d questions", len(answers), len(questions))
	}
	return answers
}

// requireShopifyAPI returns a directory with the node_modules that package-lock.json pins, by version and checksum, which npm
// installs into a cache on first use.
func requireShopifyAPI(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			unavailable(t, fmt.Sprintf("install Node.js 20 or newer, with npm, to compare with Shopify's library: %v", err))
		}
	}
	lock, err := os.ReadFile(filepath.Join(shopifyAPI, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(npmCache(t), shopifyAPIVersion(t, lock))
	if have, err := os.ReadFile(filepath.Join(dir, "package-lock.json")); err == nil && bytes.Equal(have, lock) {
		return dir
	} else if err == nil {
		// Of another pinning of the same version.
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	install(t, dir)
	return dir
}

// install lets npm work beside dir and renames the result, so that a dir that exists is whole.
func install(t *testing.T, dir string) {
	t.Helper()
	t.Logf("installing Shopify's library with npm into %s", dir)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "install-") //nolint:usetesting // it is renamed, so it must be on the cache's file system
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := os.ReadFile(filepath.Join(shopifyAPI, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(tmp, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = tmp
	if out, err := cmd.CombinedOutput(); err != nil {
		unavailable(t, fmt.Sprintf("npm could not install Shopify's library: %v\n%s", err, out))
	}
	// Another test binary may have been faster; its result is the same.
	if err := os.Rename(tmp, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
}

func shopifyAPIVersion(t *testing.T, lock []byte) string {
	t.Helper()
	var content struct {
		Packages map[string]struct{ Version string }
	}
	if err := json.Unmarshal(lock, &content); err != nil {
		t.Fatal(err)
	}
	version := content.Packages["node_modules/@shopify/shopify-api"].Version
	if version == "" {
		t.Fatal("package-lock.json pins no @shopify/shopify-api")
	}
	return version
}

func npmCache(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("MILLRACE_NPM_CACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "millrace", "shopify-api")
}

func unavailable(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("MILLRACE_TEST_SERVICES") == "required" {
		t.Fatal(why)
	}
	t.Skip(why)
}
