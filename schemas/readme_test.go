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

func TestREADMEListsTheHeadersThatTheCodeHas(t *testing.T) {
	var want strings.Builder
	want.WriteString("| header | present | content |\n|---|---|---|\n")
	for _, h := range schemas.Headers() {
		present := "sometimes"
		if h.Always {
			present = "always"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s |\n", h.Name, present, strings.ReplaceAll(h.Content, "|", `\|`))
	}
	listed(t, "headers", want.String())
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

// listed compares a generated table of README.md, between the comments name:begin and name:end, with the one wanted; -update writes it.
func listed(t *testing.T, name, want string) {
	t.Helper()
	file, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(file), "<!-- "+name+":begin")
	note, rest, ok2 := strings.Cut(rest, "-->\n")
	got, tail, ok3 := strings.Cut(rest, "<!-- "+name+":end -->")
	if !ok || !ok2 || !ok3 {
		t.Fatalf("README.md has no %s:begin … %s:end", name, name)
	}
	if *update {
		text := head + "<!-- " + name + ":begin" + note + "-->\n" + want + "<!-- " + name + ":end -->" + tail
		if err := os.WriteFile("README.md", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the table %s of README.md differs from the code's (-want +got); run with -update:\n%s", name, diff)
	}
}
