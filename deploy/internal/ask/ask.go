// Package ask asks our own programs over HTTP, in JSON.
package ask

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// within is how long one answer may take.
const within = 30 * time.Second

// Get reads what url answers. Anything but a 200 is an error, which has the answer.
func Get(ctx context.Context, url string, into any) error {
	return do(ctx, http.MethodGet, url, nil, into)
}

// Put sends body to url.
func Put(ctx context.Context, url string, body any) error {
	return do(ctx, http.MethodPut, url, body, nil)
}

// do sends a request and reads the JSON that comes back.
func do(ctx context.Context, method, url string, body, into any) error {
	var content io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, url, err)
		}
		content = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, content)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, url, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, url, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, text)
	}
	if err == nil && into != nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, url, err)
	}
	return nil
}
