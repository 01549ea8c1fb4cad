package testenv

import (
	"encoding/csv"
	"fmt"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/cordon-exchange/cordon/privacy"
)

// reports reads size, phase and year of the bird strikes, by airline.
func reports(t *testing.T) map[string][][]string {
	t.Helper()
	f, err := os.Open("../../examples/birdstrikes/birdstrikes.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) int { return slices.Index(rows[0], name) }
	out := map[string][][]string{}
	for _, r := range rows[1:] {
		name := strings.ReplaceAll(strings.ToLower(r[at("Aircraft Airline Operator")]), " ", "_")
		out[name] = append(out[name], []string{r[at("Wildlife Size")], r[at("Phase of flight")], r[at("Flight Date")][:4], r[at("Cost Total $")]})
	}
	return out
}

// airlines that play: those with more than 200 reports.
var airlines = []string{"american_airlines", "us_airways*", "delta_air_lines", "southwest_airlines", "united_airlines", "fedex_express", "america_west_airlines",
	"northwest_airlines", "ups_airlines", "american_eagle_airlines"}

// yearsPolicy is the example's own.
func yearsPolicy(m *Market) string {
	m.Helper()
	v := struct {
		Airlines, Analysts                                []string
		Operator, Build, Evidence, Perimeter, From, Until string
	}{Analysts: []string{string(m.Institute.Fingerprint())}, Operator: string(m.Operator.Fingerprint()), Build: string(Build), Evidence: simulated.Kind, Perimeter: Form,
		From: time.Now().AddDate(0, 0, -1).UTC().Format(time.DateOnly), Until: time.Now().AddDate(0, 0, 30).UTC().Format(time.DateOnly)}
	for _, o := range m.Owners {
		v.Airlines = append(v.Airlines, string(o.Fingerprint()))
	}
	const name = "policy-years.yaml.tmpl"
	tmpl, err := template.New(name).Funcs(template.FuncMap{"join": strings.Join}).ParseFiles("../../examples/birdstrikes/" + name)
	m.Must(err)
	var b strings.Builder
	m.Must(tmpl.Execute(&b, v))
	return strings.Replace(b.String(), "dataset: years", "dataset: "+Pool, 1)
}

// Strikes by phase, size and year, of a pool whose policy is the example's: what comes out of the enclave is what counting in
// Go and the release rules give, cell by cell.
func TestSetOfThreeColumns(t *testing.T) {
	t.Parallel()
	all := reports(t)
	file := func(m *Market, n int) string {
		path := filepath.Join(m.dir, fmt.Sprintf("years-%d.csv", n))
		text := "size,phase,year,cost_total\n"
		if len(all[airlines[n]]) < 200 {
			m.Fatalf("%d reports of %s", len(all[airlines[n]]), airlines[n])
		}
		for _, r := range all[airlines[n]] {
			text += strings.Join(r, ",") + "\n"
		}
		m.Must(os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	var names []string
	for i := range airlines {
		names = append(names, fmt.Sprintf("airline_%d", i))
	}
	m := New(t).newMarket("size:varchar!,phase:varchar!,year:varchar!,cost_total:int64!", file, yearsPolicy, names...)
	m.Host(nil)
	want, cells := strikesInGo(t, all)
	got := ask(t, m, "SELECT phase, size, year, count(*) AS n FROM pool.strikes GROUP BY phase, size, year")
	if len(want) < 20 || len(want) > cells-20 {
		t.Fatalf("%d of %d cells are shown: the test shows too little", len(want), cells)
	}
	for key, n := range want {
		if got[key] != n {
			t.Errorf("%s: %q, want %s", key, got[key], n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d cells, want %d", len(got), len(want))
	}
}

// ask gives the last column by the others.
func ask(t *testing.T, m *Market, sql string) map[string]string {
	t.Helper()
	job, err := m.Institute.Ask(t.Context(), m.Contract, sql, Patience)
	m.Must(err)
	table, err := m.Institute.Open(t.Context(), job.Digest)
	m.Must(err)
	out := map[string]string{}
	for _, r := range table.Rows {
		var key []string
		for _, v := range r[:len(r)-1] {
			text, _ := v.Text()
			key = append(key, text)
		}
		out[strings.Join(key, "|")], _ = r[len(r)-1].Text()
	}
	return out
}

func strikesInGo(t *testing.T, all map[string][][]string) (want map[string]string, cells int) {
	t.Helper()
	counts := map[string][]int64{}
	for o, name := range airlines {
		for _, r := range all[name] {
			key := strings.Join([]string{r[1], r[0], r[2]}, "|")
			if counts[key] == nil {
				counts[key] = make([]int64, len(airlines))
			}
			counts[key][o]++
		}
	}
	b := privacy.Base{Kind: privacy.Count, UniqueUnits: true}
	var keys []string
	for key, owners := range counts {
		keys = append(keys, key)
		c := privacy.Cell{}
		for _, v := range strings.Split(key, "|") {
			c.Key = append(c.Key, privacy.Value{Text: v})
		}
		for o, n := range owners {
			if n > 0 {
				c.Parts = append(c.Parts, privacy.Part{Owner: o, Units: n, Value: big.NewInt(n), Weight: big.NewInt(n)})
			}
		}
		b.Cells = append(b.Cells, c)
	}
	l := privacy.Lists{Owners: len(airlines)}
	for o := range airlines {
		l.Recognised = append(l.Recognised, o)
	}
	parties, err := privacy.NewParties(l)
	if err != nil {
		t.Fatal(err)
	}
	released, err := privacy.Protect(privacy.Rules{MinUnits: 10, MinContributors: 5, MaxSharePct: 50, PPercent: 10, Coalition: 1, RoundCount: 5, ValueDigits: 4}, parties, b)
	if err != nil {
		t.Fatal(err)
	}
	want = map[string]string{}
	for i, key := range keys {
		if v, ok := released.Value(i); ok {
			want[key] = v.String()
		}
	}
	return want, len(keys)
}
