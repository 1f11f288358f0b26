// Package secret holds the one type in which credentials travel through configuration. It prints, logs and marshals as a
// mask, so that a config dump, a log line or a failing test cannot leak it.
package secret

import "log/slog"

// Mask is what a non-empty secret shows of itself.
const Mask = "********"

// Secret is a credential. Reveal is the only way to its text.
//
// MarshalText is needed beside LogValue: a Secret nested in a struct reaches slog's JSON handler through encoding/json,
// which does not ask for LogValue.
type Secret string

// Reveal returns the credential itself.
func (s Secret) Reveal() string { return string(s) }

// String returns Mask, or "" when there is no secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return Mask
}

// GoString keeps %#v from printing the text.
func (s Secret) GoString() string { return s.String() }

// MarshalText masks the secret in JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue masks the secret in slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
