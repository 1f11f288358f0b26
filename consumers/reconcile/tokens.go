package reconcile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"millrace/schemas/secret"
)

// isShop tells whether text is the permanent domain of a store.
func isShop(text string) bool {
	return regexp.MustCompile(`^[a-z0-9][a-z0-9-]*\.myshopify\.com$`).MatchString(text)
}

// ErrNoToken is wrapped where a store's token is not known.
var ErrNoToken = errors.New("no access token: name the store in reconcile.tokens_file, or set reconcile.token")

// tokens are the access tokens by store.
type tokens struct {
	byShop map[string]secret.Secret
	other  secret.Secret
	shops  []string // to look at, sorted
}

func (t *tokens) of(shop string) (secret.Secret, error) {
	if token := cmp.Or(t.byShop[shop], t.other); token != "" {
		return token, nil
	}
	return "", fmt.Errorf("%s: %w", shop, ErrNoToken)
}

// readTokens reads the file that the configuration names, and puts it together with what the configuration has.
func readTokens(cfg Config) (*tokens, error) {
	t := &tokens{byShop: map[string]secret.Secret{}, other: cfg.Token}
	if cfg.TokensFile != "" {
		text, err := os.ReadFile(cfg.TokensFile)
		if err != nil {
			return nil, fmt.Errorf("read reconcile.tokens_file: %w", err)
		}
		if t.byShop, err = parseTokens(text); err != nil {
			return nil, fmt.Errorf("reconcile.tokens_file %s: %w", cfg.TokensFile, err)
		}
	}
	all := slices.Concat(slices.Collect(maps.Keys(t.byShop)), cfg.Shops)
	slices.Sort(all)
	t.shops = slices.Compact(all)
	return t, nil
}

// parseTokens reads a tokens file. Errors name places, not texts: what stands in the wrong place may be a token.
func parseTokens(text []byte) (map[string]secret.Secret, error) {
	var f struct {
		Shops map[string]secret.Secret `yaml:"shops"`
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("not YAML of the form shops: {name.myshopify.com: token}, at %s", cmp.Or(regexp.MustCompile(`line \d+`).FindString(err.Error()), "an unknown line"))
	}
	out := make(map[string]secret.Secret, len(f.Shops))
	var errs []error
	for shop, token := range f.Shops {
		name := strings.ToLower(shop)
		switch {
		case !isShop(name):
			errs = append(errs, errors.New("shops: a key is not a <name>.myshopify.com domain"))
		case token == "":
			errs = append(errs, fmt.Errorf("shops.%s is empty", name))
		default:
			out[name] = token
		}
	}
	return out, errors.Join(errs...)
}
