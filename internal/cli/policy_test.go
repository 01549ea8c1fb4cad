package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"
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
