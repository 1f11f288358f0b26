package cli

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"millrace/schemas/secret"
)

// secretBytes is the length of a made secret; Shopify's have as much.
const secretBytes = 32

// keptSecret returns the secret in the file at path, and makes one, readable by its owner alone, where there is none.
// The caller holds the lock of the data folder.
func keptSecret(path string) (secret.Secret, error) {
	text, err := os.ReadFile(path) //nolint:gosec // in the operator's data folder
	if err == nil {
		kept := strings.TrimSpace(string(text))
		if kept == "" {
			return "", fmt.Errorf("%s is empty: write the secret into it, or remove it to have one made", path)
		}
		return secret.Secret(kept), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the webhook secret: %w", err)
	}
	random := make([]byte, secretBytes)
	_, _ = rand.Read(random) // never fails: it ends the program first
	made := hex.EncodeToString(random)
	// No newline at the end, so that $(cat file) and < file mean the same.
	if err := os.WriteFile(path, []byte(made), 0o600); err != nil {
		return "", fmt.Errorf("keep the webhook secret: %w", err)
	}
	return secret.Secret(made), nil
}
