package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed web
var files embed.FS

// asset is one embedded file.
type asset struct {
	body      []byte
	mediaType string
	tag       string
}

// assets are all files of the page by their path, "/" being the page itself.
type assets map[string]asset

func loadAssets() (assets, error) {
	all := assets{}
	err := fs.WalkDir(files, "web", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		all[strings.TrimPrefix(name, "web")] = asset{body: body, mediaType: mediaType(name), tag: `"` + hex.EncodeToString(sum[:12]) + `"`}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read embedded files: %w", err)
	}
	all["/"] = all["/index.html"]
	return all, nil
}

// mediaType does not rest on the machine's own table for what the page needs.
func mediaType(name string) string {
	switch ext := path.Ext(name); ext {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case "":
		return "text/plain; charset=utf-8"
	default:
		return mime.TypeByExtension(ext)
	}
}

// ServeHTTP gives a file. The names carry no version, so a browser asks each time whether its copy is the newest, which costs an
// empty answer.
func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, found := a[r.URL.Path]
	if !found {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte("There is no such page; the console is at /.\n"))
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.mediaType)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", file.tag)
	if strings.Contains(r.Header.Get("If-None-Match"), file.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if r.Method != http.MethodHead {
		_, _ = w.Write(file.body)
	}
}
