package testenv

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/fault"
)

// manyRows writes 800,000 rows of an owner, whose costs do not compress.
func manyRows(m *Market, n int) string {
	r := rand.New(rand.NewPCG(uint64(n), 11))
	var b strings.Builder
	b.WriteString("size,cost\n")
	for range 800_000 {
		fmt.Fprintf(&b, "%s,%d\n", sizes[2*r.IntN(2)].name, r.IntN(1_000_000))
	}
	path := filepath.Join(m.dir, fmt.Sprintf("owner-%d.csv", n))
	m.Must(os.WriteFile(path, []byte(b.String()), 0o600))
	return path
}

// A table whose columns are larger than a class's memory for data gives the result of a class that has room for all of it. Where not even a few
// row groups fit, the job is refused, with sizes, and its receipts close what was released.
func TestLargerThanMemory(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("publishes three million rows")
	}
	m := New(t).newMarket(Schema, manyRows, (*Market).policy, "alpha", "bravo", "charlie", "delta")
	m.Host(nil)
	answer := func(class string) (csv string, clear int64) {
		t.Helper()
		job, err := m.Institute.AskClass(t.Context(), class, m.Contract, bySize, Patience)
		m.Must(err)
		table, err := m.Institute.Open(t.Context(), job.Digest)
		m.Must(err)
		account, err := m.Institute.Receipt(t.Context(), job.Digest)
		m.Must(err)
		m.verifies(t, account.Bundle, job.Digest)
		for _, o := range m.Owners {
			m.Until("the receipt closes the exposure", func() bool { return openExposures(o, job.Digest) == 0 })
			x := o.Ledger().Exposures
			clear += x[len(x)-1].Bytes
		}
		return csvOf(t, table), clear
	}
	want, whole := answer("small")
	got, waves := answer("tiny")
	if got != want || !strings.HasPrefix(got, "\"size\",\"n\",\"c\"\r\n\"Large\",1") {
		t.Errorf("got %q, want %q", got, want)
	}
	if room := Classes()[1].MemoryBytes / 10 * 4; waves != whole || waves < room*5/4 {
		t.Errorf("%d bytes in clear, %d where all fits, room for %d", waves, whole, room)
	}
	_, err := m.Institute.AskClass(t.Context(), "least", m.Contract, bySize, Patience)
	wantFault(t, err, fault.Unavailable, "MiB of sealed columns are needed at once, and the class has room for 1 MiB", "ask with a --class of")
	for _, o := range m.Owners {
		m.Until("the receipt closes the exposure", func() bool {
			x := o.Ledger().Exposures
			return strings.HasPrefix(x[len(x)-1].Outcome, "failed:too-large:need_")
		})
	}
}
