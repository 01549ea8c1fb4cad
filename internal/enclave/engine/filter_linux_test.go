package engine

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordon-exchange/cordon/internal/enclave/lockdown"
)

// underFilter makes this program put itself under the enclave's system call filter before it runs any test.
const underFilter = "CORDON_ENGINE_UNDER_FILTER"

func TestMain(m *testing.M) {
	if os.Getenv(underFilter) != "" {
		if err := filterSelf(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func filterSelf() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, err := lockdown.Seccomp()
	return err
}

// notUnderFilter are tests that write to the disk, and some that take long and ask for nothing that others don't.
const notUnderFilter = "^(TestEveryPlanUnderTheFilter|TestBoundEngineReadsItsMemoryFilesOnly|TestRandomReleasesAgainstRawRows|" +
	"TestOneUnitHides|TestNoiseHasItsScale|TestOneUnitMoreOrLess)$"

// TestEveryPlanUnderTheFilter runs the tests of this package once more under the enclave's filter: sets and margins, programs of
// releases, joins, quantiles, windows over released tables, noise, and jobs that run out of memory or time. Whatever the engine asks
// of the kernel for them, the filter must allow, or refuse without harm.
func TestEveryPlanUnderTheFilter(t *testing.T) {
	if os.Getenv(underFilter) != "" || testing.Short() {
		t.Skip("runs the package's tests again")
	}
	cmd := exec.Command("/proc/self/exe", "-test.v", "-test.skip="+notUnderFilter)
	cmd.Env = append(os.Environ(), underFilter+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, tail(string(out), 4000))
	}
	for _, must := range []string{
		"TestRunAgainstCountingByHand", "TestSetOfSeveralColumns", "TestProgramsAgainstCountingByHand", "TestJoinsAgainstCountingByHand",
		"TestSpreadAgainstCountingByHand", "TestResultsOverReleasedTables", "TestEntitiesAgainstCountingByHand", "TestDateDimension",
		"TestSameQuestionSameNoise", "TestGroupsAreGivenOrSelected", "TestMemoryRunsOut", "TestTimeRunsOut", "TestFilterIsInForce",
	} {
		if !strings.Contains(string(out), "--- PASS: "+must+" ") {
			t.Errorf("%s did not run", must)
		}
	}
}

// TestFilterIsInForce: what the test above shows, it shows of a filtered process.
func TestFilterIsInForce(t *testing.T) {
	if os.Getenv(underFilter) == "" {
		t.Skip("under the filter only")
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_GETPPID, 0, 0, 0); errno != unix.EPERM {
		t.Errorf("getppid: %v", errno)
	}
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }
