package cli

import (
	"strings"
	"testing"

	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// Each release says what it was made to: evidence, plan, policy, the machine's TCB, and DEBUG where that is so.
func TestLedgerShowsEnclaves(t *testing.T) {
	d := func(s string) statement.Digest { return statement.Sum([]byte(s)) }
	a := statement.Appraisal{Kind: "tdx-dcap", Debug: true, Status: "OutOfDate", Advisories: []string{"INTEL-SA-1"}, TCBDate: "2024-11-13", Evaluation: 18, Policies: []statement.Digest{d("policy")}}
	var out strings.Builder
	l := ledgerText{w: &out, v: &api.LedgerView{Exposures: []ledger.Exposure{
		{Job: d("job"), Plan: d("plan"), Evidence: d("evidence"), ReleasedMS: 1, Appraisal: &a}, {Job: d("old"), ReleasedMS: 1},
	}}}
	if err := l.print(); err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(out.String(), "  POLICY")
	for _, want := range []string{
		d("job").Short(), d("plan").Short(), d("evidence").Short(), d("policy").Short(),
		"tdx-dcap, DEBUG: THE HOST CAN READ THE ENCLAVE'S MEMORY, TCB OutOfDate, level of 2024-11-13, INTEL-SA-1, evaluation 18",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("not shown: %s\n%s", want, out.String())
		}
	}
	if strings.Contains(section, d("old").Short()) {
		t.Error("an entry without appraisal is shown as if it had one")
	}
}
