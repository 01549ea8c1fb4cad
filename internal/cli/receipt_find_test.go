package cli

import (
	"testing"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/machines"
)

// What nothing can match is a mistake, and is told; names that contracts use are understood.
func TestFindQuery(t *testing.T) {
	for name, q := range map[string]machines.Query{
		"kind": {Kinds: []string{"sgx", "bogus"}}, "build": {Builds: []string{"xyz"}}, "odd hex": {Builds: []string{"abc"}}, "perimeter": {Forms: []string{"procss"}},
	} {
		if err := checkQuery(&q); fault.ExitCode(err) != int(fault.Usage) || fault.Hint(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	q := machines.Query{Kinds: []string{"sgx-dcap", "tpm-software", "snp"}, Builds: []string{"sha256:" + digits(64), digits(96)}, Forms: []string{"process+swap", "vm"}}
	if err := checkQuery(&q); err != nil || q.Kinds[0] != "sgx" || q.Kinds[1] != "tpm-software" || q.Kinds[2] != "snp" {
		t.Errorf("%v, %v", q.Kinds, err)
	}
}

func digits(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "0123456789abcdef"[i%16]
	}
	return string(b)
}
