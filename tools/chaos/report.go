package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// writeSection replaces what stands between the two marks of a section of a page.
func writeSection(file, name, text string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	page, begin, end := string(b), "<!-- "+name+": begin -->\n", "<!-- "+name+": end -->\n"
	before, rest, ok := strings.Cut(page, begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return fmt.Errorf("%s has no section %q", file, name)
	}
	return os.WriteFile(file, []byte(before+begin+text+end+after), 0o644)
}

// section is what docs/reliability.md says of a run.
func (a *account) section() string {
	var b strings.Builder
	of := map[string]int{}
	for _, k := range a.Kills {
		of[kindOf(k.Of)]++
	}
	var list []string
	for _, k := range slices.Sorted(maps.Keys(of)) {
		list = append(list, fmt.Sprintf("%s %d", k, of[k]))
	}
	fmt.Fprintf(&b, "`make chaos KILLS=%d SEED=%d`\n\n| | |\n|---|---|\n", len(a.Kills), a.Seed)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "| %s | %s |\n", name, fmt.Sprintf(format, args...))
	}
	row("kills", "%d in %.0f s: %s", len(a.Kills), a.Seconds, strings.Join(list, ", "))
	row("jobs confirmed", "%d", a.Jobs)
	row("with a result, opened with its receipt", "%d (%.1f %%), %d of them after more than one attempt", a.Results, 100*float64(a.Results)/float64(max(1, a.Jobs)), a.Again)
	row("ended by a kill, which is named", "%d%s", len(a.Excused), a.codes())
	row("contracts and grants confirmed", "%d and %d, all there", a.Agreements, a.Grants)
	row("commands that ended as `unavailable`", "%d", a.Unanswered)
	row("orders confirmed", "%d, all there; %d credits charged for them, as buyer, seller and exchange agree", a.Orders, a.Sold)
	row("`cordon log verify`", "of %d parties: the log goes on from what each had seen, and has all that concerns it", a.Logs)
	row("charges", "%d, none twice, every result has its own; %d of jobs without a result, whose keys could have been released", a.Charges, a.Unused)
	row("exposures without a receipt", "%d, shown to their owners as such", a.Open)
	row("`cordon exchange fsck`", "%d statements, %d parties, %d jobs, %d items, %d objects: %d faults", a.Checked.Statements, a.Checked.Parties, a.Checked.Jobs, a.Checked.Items, a.Checked.Objects, a.Checked.Faults)
	var longest []string
	for _, k := range slices.Sorted(maps.Keys(a.Away)) {
		longest = append(longest, fmt.Sprintf("%s %.1f s", k, a.Away[k]))
	}
	row("longest time until a process was ready again", "%s", strings.Join(longest, ", "))
	row("faults", "%d", len(a.Faults))
	return b.String()
}

func (a *account) codes() string {
	n := map[string]int{}
	for _, j := range a.Excused {
		n[j.Code]++
	}
	if len(n) == 0 {
		return ""
	}
	var out []string
	for _, c := range slices.Sorted(maps.Keys(n)) {
		out = append(out, fmt.Sprintf("`%s` %d", c, n[c]))
	}
	return ": " + strings.Join(out, ", ")
}

// kindOf a process, of its name.
func kindOf(name string) string {
	kind, _, _ := strings.Cut(name, " ")
	kind, _, _ = strings.Cut(kind, "-")
	return kind
}
