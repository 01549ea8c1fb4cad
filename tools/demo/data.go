package main

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

// airline is one operator of the CSV with enough reports.
type airline struct {
	Name        string `json:"name"`
	Operator    string `json:"operator"`
	Fingerprint string `json:"fingerprint"`
	rows        [][]string
}

const (
	operatorColumn = "Aircraft Airline Operator"
	leastReports   = 100
)

// splitCSV gives each airline its own rows, as they lie on its own premises.
func splitCSV(path, premises string) ([]*airline, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, err
	}
	at := indexOf(all[0], operatorColumn)
	byOperator := map[string]*airline{}
	for _, row := range all[1:] {
		op := row[at]
		if op == "MILITARY" || op == "BUSINESS" {
			continue
		}
		if byOperator[op] == nil {
			byOperator[op] = &airline{Name: partyName(op), Operator: op}
		}
		byOperator[op].rows = append(byOperator[op].rows, row)
	}
	var out []*airline
	for _, a := range byOperator {
		if len(a.rows) >= leastReports {
			out = append(out, a)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	for _, a := range out {
		if err := a.write(premises, all[0]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func indexOf(header []string, name string) int {
	for i, h := range header {
		if h == name {
			return i
		}
	}
	return -1
}

var notName = regexp.MustCompile(`[^a-z0-9]+`)

// partyName makes a party's name of an operator's: "US AIRWAYS*" becomes us_airways.
func partyName(operator string) string {
	s, _, _ := strings.Cut(strings.ToLower(operator), "(")
	return strings.Trim(notName.ReplaceAllString(s, "_"), "_")
}

func (a *airline) csvPath(premises string) string {
	return filepath.Join(premises, a.Name, "strikes.csv")
}

func (a *airline) write(premises string, header []string) error {
	path := a.csvPath(premises)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w := csv.NewWriter(f)
	if err := w.WriteAll(append([][]string{header}, a.rows...)); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
