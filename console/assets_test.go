package console_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The files of uPlot 1.6.32 as its npm package has them.
func TestTheChartLibraryIsWhatWasPublished(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"LICENSE":           "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
		"uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
		"uPlot.min.css":     "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
	} {
		text, err := os.ReadFile(filepath.Join("web", "vendor", "uplot", name))
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s has the sum %x, want %s", name, sum, want)
		}
	}
}

func TestThePageNamesOnlyFilesThatThereAre(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, &fake{}, nil)
	page := get(t, s, "/").Body.String()
	files := []string{}
	for _, m := range regexp.MustCompile(`(?:src|href)="([^#"]+)"`).FindAllStringSubmatch(page, -1) {
		files = append(files, strings.SplitN(m[1], "#", 2)[0])
	}
	for i := 0; i < len(files); i++ {
		w := get(t, s, "/"+files[i])
		if w.Code != http.StatusOK {
			t.Errorf("GET /%s = %d", files[i], w.Code)
		}
		for _, m := range regexp.MustCompile(`from '\./([a-z]+\.js)'`).FindAllStringSubmatch(w.Body.String(), -1) {
			if !strings.Contains(strings.Join(files, " "), m[1]) {
				files = append(files, m[1])
			}
		}
	}
	if len(files) < 12 {
		t.Errorf("the page has the files %v, want all modules", files)
	}
	// The policy forbids them, so they would be dead text.
	if inline := regexp.MustCompile(`<script>|<style|\sstyle=|\son[a-z]+=|javascript:`).FindString(page); inline != "" {
		t.Errorf("index.html has %q inline", inline)
	}
}

func TestAFileIsSentOnce(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, &fake{}, nil)
	first := get(t, s, "/app.js")
	tag := first.Header().Get("ETag")
	if tag == "" || first.Header().Get("Cache-Control") != "no-cache" || !strings.HasPrefix(first.Header().Get("Content-Type"), "text/javascript") {
		t.Fatalf("GET /app.js has headers %v", first.Header())
	}
	again := get(t, s, "/app.js", func(r *http.Request) { r.Header.Set("If-None-Match", tag) })
	if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("GET /app.js again = %d with %d bytes, want 304 without", again.Code, again.Body.Len())
	}
}
