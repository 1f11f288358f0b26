package verify

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"millrace/schemas/secret"
)

// store reads from ClickHouse over plain HTTP, in TabSeparated: one line per row, so an error that ClickHouse writes into
// a half-sent answer shows as a line with the wrong number of fields.
type store struct {
	endpoint string
	table    string
	user     string
	password secret.Secret
	client   *http.Client
}

func newStore(cfg Config, transport http.RoundTripper) (*store, error) {
	u, err := url.Parse(cfg.ClickHouse)
	if err != nil {
		return nil, fmt.Errorf("parse clickhouse url: %w", err)
	}
	q := u.Query()
	q.Set("default_format", "TabSeparated")
	u.RawQuery = q.Encode()
	if u.Path == "" {
		u.Path = "/"
	}
	if transport == nil {
		transport = &http.Transport{Proxy: http.ProxyFromEnvironment, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: 5 * time.Minute}
	}
	return &store{
		endpoint: u.String(), table: quote(cfg.Database) + ".events", user: cfg.User, password: cfg.Password, client: &http.Client{Transport: transport},
	}, nil
}

// quote writes an identifier for SQL.
func quote(name string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(name) + "`"
}

const maxLine = 1 << 20

// rows runs a query and calls row with the fields of each row, which are good until row returns. All rows have width
// fields. Errors are the connection's, ClickHouse's (with its text) and row's.
func (s *store) rows(ctx context.Context, query string, width int, row func(fields []string) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint, strings.NewReader(query))
	if err != nil {
		return fmt.Errorf("build query: %w", err)
	}
	if s.user != "" {
		req.Header.Set("X-ClickHouse-User", s.user)
		req.Header.Set("X-ClickHouse-Key", s.password.Reveal())
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("query clickhouse: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 2000))
		return fmt.Errorf("query clickhouse: %s: %s", resp.Status, strings.TrimSpace(string(said)))
	}
	in := bufio.NewScanner(resp.Body)
	in.Buffer(make([]byte, 64<<10), maxLine)
	for in.Scan() {
		fields := strings.Split(in.Text(), "\t")
		if len(fields) != width {
			return fmt.Errorf("query clickhouse: the answer breaks off with %.300q", in.Text())
		}
		for i := range fields {
			if fields[i], err = unescape(fields[i]); err != nil {
				return fmt.Errorf("query clickhouse: %w", err)
			}
		}
		if err := row(fields); err != nil {
			return err
		}
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("read clickhouse's answer: %w", err)
	}
	return nil
}

// errEscape is returned (wrapped) when a field is not TabSeparated.
var errEscape = errors.New("field ends in a backslash")

// unescape undoes TabSeparated's escapes.
func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		if i == len(s) {
			return "", fmt.Errorf("%w: %.100q", errEscape, s)
		}
		if at := strings.IndexByte("tnrbf0", s[i]); at >= 0 {
			b.WriteByte("\t\n\r\b\f\x00"[at])
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String(), nil
}
