package ingest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"millrace/schemas/secret"

	"go.yaml.in/yaml/v3"
)

// pollFiles is how often the secrets and the certificate are read again. Reading beats watching: a Kubernetes secret is
// swapped by renaming a directory behind a symlink, and network file systems send no events; the files are small.
const pollFiles = 500 * time.Millisecond

// secretsFile is the shape of the file that Config.SecretsFile names.
type secretsFile struct {
	Secrets []secret.Secret            `yaml:"secrets"`
	Shops   map[string][]secret.Secret `yaml:"shops"`
}

var (
	errSecretsShape = errors.New("not YAML of the form that secrets_file describes")
	errNoSecrets    = errors.New("it holds no secret")
)

// parseSecrets reads a secrets file. Unknown keys, empty secrets and shops that are no myshopify.com domain are errors,
// all reported at once.
func parseSecrets(text []byte) (secretsFile, error) {
	var f secretsFile
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		// The library quotes what it stumbles over, which here is likely to be a secret: only the place is passed on.
		return secretsFile{}, fmt.Errorf("%w at %s", errSecretsShape, cmp.Or(regexp.MustCompile(`line \d+`).FindString(err.Error()), "an unknown line"))
	}
	if err := dec.Decode(&struct{}{}); !errors.Is(err, io.EOF) {
		return secretsFile{}, fmt.Errorf("%w: there is more than one document", errSecretsShape)
	}
	var errs []error
	if len(f.Secrets) == 0 && len(f.Shops) == 0 {
		errs = append(errs, errNoSecrets)
	}
	for i, s := range f.Secrets {
		if s == "" {
			errs = append(errs, fmt.Errorf("secrets[%d] is empty", i))
		}
	}
	for shop, list := range f.Shops {
		if _, ok := shopDomain(shop); !ok {
			// Not quoted either: it may be a secret in the wrong place.
			errs = append(errs, errors.New("shops: a key is not a <name>.myshopify.com domain"))
			continue
		}
		for i, s := range list {
			if s == "" {
				errs = append(errs, fmt.Errorf("shops.%s[%d] is empty", shop, i))
			}
		}
	}
	return f, errors.Join(errs...)
}

// newKeyring puts the secrets of the configuration and of the file together.
func newKeyring(configured []secret.Secret, f secretsFile) *keyring {
	k := &keyring{shops: make(map[string][]*signer, len(f.Shops))}
	for _, list := range [][]secret.Secret{configured, f.Secrets} {
		for _, s := range list {
			k.app = append(k.app, newSigner(s))
		}
	}
	for shop, list := range f.Shops {
		name, _ := shopDomain(shop)
		for _, s := range list {
			k.shops[name] = append(k.shops[name], newSigner(s))
		}
	}
	return k
}

// loadSecrets builds the first keyring; here a broken file is fatal, since there is nothing older to keep.
func (s *Server) loadSecrets() error {
	var f secretsFile
	if s.cfg.SecretsFile != "" {
		text, err := os.ReadFile(s.cfg.SecretsFile)
		if err != nil {
			return fmt.Errorf("read secrets_file: %w", err)
		}
		if f, err = parseSecrets(text); err != nil {
			return fmt.Errorf("secrets_file %s: %w", s.cfg.SecretsFile, err)
		}
		s.secretsText = text
	}
	s.keys.Store(newKeyring(s.cfg.Secrets, f))
	return nil
}

// watchFiles re-reads the secrets and the certificate until ctx ends. What cannot be read or parsed is counted and
// logged once per change, and the old one stays in force.
func (s *Server) watchFiles(ctx context.Context) {
	tick := time.NewTicker(pollFiles)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.reloadSecrets()
			s.cert.reload(s)
		}
	}
}

func (s *Server) reloadSecrets() {
	if s.cfg.SecretsFile == "" {
		return
	}
	text, err := os.ReadFile(s.cfg.SecretsFile)
	if err != nil {
		text = []byte(err.Error()) // so that the same error is not reported each second
	}
	// A change counts once two reads agree, so that a file that is being written is not taken half.
	settled := bytes.Equal(text, s.secretsSeen)
	s.secretsSeen = text
	if !settled || bytes.Equal(text, s.secretsText) {
		return
	}
	s.secretsText = text
	var f secretsFile
	if err == nil {
		f, err = parseSecrets(text)
	}
	k := newKeyring(s.cfg.Secrets, f)
	if err != nil {
		s.metrics.reloads.WithLabelValues(reloadFailed).Inc()
		s.log.Error("secrets file not taken, the old secrets stay in force", "file", s.cfg.SecretsFile, "err", err)
		return
	}
	s.keys.Store(k)
	s.metrics.reloads.WithLabelValues(reloadDone).Inc()
	s.log.Info("secrets re-read", "file", s.cfg.SecretsFile, "app_secrets", len(k.app), "shops", len(k.shops))
}
