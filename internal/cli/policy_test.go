package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/policy/owner"
)

func TestPolicyFromStandardInput(t *testing.T) {
	text, err := os.ReadFile("../../policy/testdata/policies/sales-free.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for verb, want := range map[string]string{"check": "-: valid, for data set sales\n", "explain": "policy of sales, output guard-free\n"} {
		var out bytes.Buffer
		root := NewRootCommand()
		root.SetArgs([]string{"policy", verb, "-"})
		root.SetIn(bytes.NewReader(text))
		root.SetOut(&out)
		if err := root.Execute(); err != nil || !strings.HasPrefix(out.String(), want) {
			t.Errorf("%s: %v, %s", verb, err, &out)
		}
	}
}

// TestTermsPreset: what 'terms new' prints is valid as it stands.
func TestTermsPreset(t *testing.T) {
	text, err := owner.New(owner.Draft{
		Preset: "competitors", Analysts: []string{policy.Any}, Operators: []string{"cordon1" + strings.Repeat("d", 64)}, Contributors: []string{"cordon1" + strings.Repeat("e", 64)},
		Builds: []string{"sha256:" + strings.Repeat("0", 64)}, Evidence: []string{"simulated"}, Perimeters: []string{"process"}, From: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := policy.ParseTerms(termsPreset, p); err != nil {
		t.Fatal(err)
	}
}
