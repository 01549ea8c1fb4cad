package agentclient

import (
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/fault"
)

// TestErrorIsNeverASuccess: whatever code or text an agent gives its error, the command fails, and says something.
func TestErrorIsNeverASuccess(t *testing.T) {
	for body, code := range map[string]fault.Code{
		`{"error":"no such thing","hint":"look","exit":3}`: fault.Input,
		`{"error":"x","hint":"","exit":0}`:                 fault.Internal,
		`{"error":"x","exit":-1}`:                          fault.Internal,
		`{"error":"x","exit":256}`:                         fault.Internal,
		`{"error":"","exit":3}`:                            fault.Internal,
		`{}`:                                               fault.Internal,
		`{"error":`:                                        fault.Internal,
		``:                                                 fault.Internal,
	} {
		err := readError(strings.NewReader(body))
		if fault.ExitCode(err) != int(code) || fault.Hint(err) == "" {
			t.Errorf("%q: exit %d, hint %q", body, fault.ExitCode(err), fault.Hint(err))
		}
	}
}
