package schemas_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "rewrite the generated parts of files from what the code says")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// payloads returns the folder of sample bodies, one folder per Shopify topic. They are not part of the repository: the
// test is skipped where they are missing, unless the environment says that everything must be there.
func payloads(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("MILLRACE_PAYLOADS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "payloads")
	}
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("MILLRACE_TEST_SERVICES") == "required" {
			t.Fatalf("the sample bodies are missing: %v (MILLRACE_PAYLOADS names their folder)", err)
		}
		t.Skipf("the sample bodies are missing: %v (MILLRACE_PAYLOADS names their folder)", err)
	}
	return dir
}
