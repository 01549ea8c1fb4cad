package policy_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"testing"

	"github.com/cordon-exchange/cordon/policy"
)

var firstTable = regexp.MustCompile(`\b(loans|patients|sales|views)\b`)

// Under the policies of the corpus, what it calls hostile is refused and what it calls legitimate compiles.
func TestCorpusOfTheWholeGrammar(t *testing.T) {
	f, err := os.Open("testdata/queries-dev.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := freeWorld(t)
	seen := map[string]int{}
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var l struct{ ID, Class, SQL, Expect string }
		if err := json.Unmarshal(sc.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		r.SQL = l.SQL
		r.Purpose = map[string]string{"patients": "public-health", "loans": "benchmarking"}[firstTable.FindString(l.SQL)]
		if r.Purpose == "" {
			r.Purpose = "measurement"
		}
		_, err := policy.Compile(r)
		var ref *policy.Refusal
		switch {
		case err != nil && !errors.As(err, &ref):
			t.Errorf("%s: %v", l.ID, err)
		case err == nil && l.Expect == "deny":
			t.Errorf("%s (%s) is accepted: %s", l.ID, l.Class, l.SQL)
		case err != nil && l.Expect == "allow":
			t.Errorf("%s (%s) is refused: %v\n%s", l.ID, l.Class, err, l.SQL)
		}
		seen[l.Expect]++
	}
	if seen["deny"] < 100 || seen["allow"] < 50 {
		t.Errorf("the corpus has %v", seen)
	}
}
