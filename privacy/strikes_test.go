package privacy

import (
	"encoding/csv"
	"math/big"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// reports are the bird strikes of the 18 airlines, read from the example itself.
type report struct {
	owner int
	keys  map[string]string
	cost  int64
}

func strikes(t testing.TB) (reports []report, owners int) {
	t.Helper()
	f, err := os.Open("../examples/birdstrikes/birdstrikes.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	count := map[string]int{}
	for _, r := range rows[1:] {
		count[r[column["Aircraft Airline Operator"]]]++
	}
	var airlines []string
	for name, n := range count {
		if n >= 100 && name != "MILITARY" && name != "BUSINESS" {
			airlines = append(airlines, name)
		}
	}
	slices.Sort(airlines)
	for _, r := range rows[1:] {
		owner := slices.Index(airlines, r[column["Aircraft Airline Operator"]])
		if owner < 0 {
			continue
		}
		cost, err := strconv.ParseInt(r[column["Cost Total $"]], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		year, _, _ := strings.Cut(r[column["Flight Date"]], "-")
		reports = append(reports, report{owner, map[string]string{
			"phase": r[column["Phase of flight"]], "size": r[column["Wildlife Size"]], "year": year, "time": r[column["Time of day"]],
		}, cost})
	}
	if len(airlines) != 18 || len(reports) != 7935 {
		t.Fatalf("%d airlines, %d reports", len(airlines), len(reports))
	}
	return reports, len(airlines)
}

// table counts or adds up the reports by the dimensions named, which stand in the order of their names as in a plan.
func table(reports []report, owners int, kind Kind, dims ...string) Base {
	b := Base{Kind: kind, UniqueUnits: true}
	at := map[string]int{}
	parts := [][]Part{}
	for _, r := range reports {
		var key []Value
		id := ""
		for _, d := range dims {
			key = append(key, Value{Text: r.keys[d]})
			id += "|" + r.keys[d]
		}
		i, ok := at[id]
		if !ok {
			i = len(b.Cells)
			at[id] = i
			b.Cells = append(b.Cells, Cell{Key: key})
			parts = append(parts, make([]Part, owners))
		}
		p := &parts[i][r.owner]
		if p.Value == nil {
			*p = Part{Owner: r.owner, Value: new(big.Int), Weight: new(big.Int)}
		}
		v := big.NewInt(1)
		if kind == Sum {
			v = big.NewInt(r.cost)
		}
		p.Units++
		p.Value.Add(p.Value, v)
		p.Weight.Add(p.Weight, v)
	}
	for i := range b.Cells {
		b.Cells[i].Parts = slices.DeleteFunc(parts[i], func(p Part) bool { return p.Value == nil })
	}
	return b
}
