package docs_test

import (
	"regexp"
	"strings"
	"testing"
)

// TestForSecurityOfficers runs what the page tells officers to run.
func TestForSecurityOfficers(t *testing.T) {
	const page = "docs/for-security-officers.md"
	script := ""
	for _, m := range regexp.MustCompile("(?s)```bash\n(.*?)```").FindAllStringSubmatch(read(t, page), -1) {
		script += m[1]
	}
	if n := strings.Count(script, "cordon "); n < 6 {
		t.Fatalf("%d commands on %s: the test looks for the wrong thing", n, page)
	}
	out := runCommands(t, script)
	for _, want := range []string{"not allowed in FIPS 140-only mode", "sha256:", "\tmod\t", "incident 4711", "\"open_exposures\": 0", "no job of the past matches", "RELEASES ARE STOPPED", "releases go on"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}
