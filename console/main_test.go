package console_test

import (
	"testing"

	"go.uber.org/goleak"

	"millrace/deploy/embedded/enginetest"
)

func TestMain(m *testing.M) {
	enginetest.Child()
	goleak.VerifyTestMain(m)
}
