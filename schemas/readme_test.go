package schemas_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"millrace/schemas"

	"github.com/google/go-cmp/cmp"
)

const (
	tableBegin = "<!-- headers:begin"
	tableEnd   = "<!-- headers:end -->"
)

func TestREADMEListsTheHeadersThatTheCodeHas(t *testing.T) {
	file, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(file)
	begin, end := strings.Index(readme, tableBegin), strings.Index(readme, tableEnd)
	if begin < 0 || end < begin {
		t.Fatalf("README.md has no %q … %q", tableBegin, tableEnd)
	}
	begin += strings.Index(readme[begin:], "\n") + 1
	var want strings.Builder
	want.WriteString("| header | present | content |\n|---|---|---|\n")
	for _, h := range schemas.Headers() {
		present := "sometimes"
		if h.Always {
			present = "always"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s |\n", h.Name, present, strings.ReplaceAll(h.Content, "|", `\|`))
	}
	if *update {
		if err := os.WriteFile("README.md", []byte(readme[:begin]+want.String()+readme[end:]), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want.String(), readme[begin:end]); diff != "" {
		t.Errorf("README.md differs from Headers() (-want +got); run with -update:\n%s", diff)
	}
}

func TestHeadersListsEveryHeaderConstantInOrder(t *testing.T) {
	parsed, err := parser.ParseFile(token.NewFileSet(), "event.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var constants []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Header") {
			return true
		}
		name, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		constants = append(constants, name)
		return true
	})
	if len(constants) == 0 {
		t.Fatal("found no header constant: the test looks in the wrong place")
	}
	var listed []string
	for _, h := range schemas.Headers() {
		listed = append(listed, h.Name)
	}
	if diff := cmp.Diff(constants, listed); diff != "" {
		t.Errorf("Headers() differs from the constants (-constants +listed):\n%s", diff)
	}
}

func TestHeadersMarkedAlwaysAreThoseOfTheBarestEvent(t *testing.T) {
	var got []string
	for _, h := range schemas.AppendHeaders[recordHeader](nil, &schemas.Event{ID: "1", Topic: "orders/create"}) {
		got = append(got, h.Key)
	}
	var want []string
	for _, h := range schemas.Headers() {
		if h.Always {
			want = append(want, h.Name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers of an event without optional fields (-want +got):\n%s", diff)
	}
}
