package snp

import (
	"fmt"
	"testing"

	"github.com/cordon-exchange/cordon/evidence/remembered"
)

// warm remembers what verified in any test of this package.
var warm = remembered.New()

// verify is Verify, which must say the same when it remembers what all tests before it had verified, and again when it remembers this.
func verify(t testing.TB, report, endorsement []byte, o Options) (*Verified, error) {
	t.Helper()
	v, err := Verify(report, endorsement, o)
	o.Trail, o.Memory = nil, warm
	for range 2 {
		w, again := Verify(report, endorsement, o)
		if fmt.Sprint(err) != fmt.Sprint(again) || (v == nil) != (w == nil) || v != nil && !v.ListUntil.Equal(w.ListUntil) {
			t.Errorf("out of memory: %v, else %v", again, err)
		}
	}
	return v, err
}
