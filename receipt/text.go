package receipt

import (
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/cordon-exchange/cordon/statement"
)

// WriteText prints the account for people.
func (r *Report) WriteText(w io.Writer) error {
	p := &printer{tw: tabwriter.NewWriter(w, 0, 4, 2, ' ', 0), r: r}
	p.head()
	p.parties()
	p.exposures()
	p.durations()
	p.authority()
	p.appraisals()
	p.responsibility()
	p.checks()
	if p.err != nil {
		return p.err
	}
	return p.tw.Flush()
}

type printer struct {
	tw  *tabwriter.Writer
	r   *Report
	err error
}

// line prints one line. Text of others is validated when it is decoded; here
// nothing of it can break a line or move a cursor even so.
func (p *printer) line(format string, args ...any) {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = plain(s)
		}
	}
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.tw, format+"\n", args...)
	}
}

func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

func (p *printer) head() {
	r := p.r.Receipt
	p.line("EXPOSURE RECEIPT\t%s", p.r.Digest)
	p.line("outcome\t%s", r.Outcome)
	p.line("job\t%s", r.Job)
	p.line("requester\t%s", p.r.Who(r.Requester))
	p.line("recipients\t%s", p.who(r.Recipients))
	p.line("purpose\t%s", p.r.Contract.Purpose)
	p.line("perimeter\t%s", PerimeterText(r.Perimeter))
	p.line("evidence\t%s", AppraisalText(p.r.Shown))
	p.line("enclave build\t%s", r.Build)
	p.line("operator\t%s", p.r.Who(r.Operator))
	if r.Result != nil {
		p.line("result\t%s, %d bytes with padding", r.Result.Digest, r.Result.Bytes)
	}
}

// PerimeterText names a perimeter; simulated ones in capitals.
func PerimeterText(p statement.Perimeter) string {
	kind := p.Kind + " evidence"
	switch {
	case p.Kind == statement.KindSimulated:
		kind = "SIMULATED (no hardware vouches for it)"
	case p.Simulated:
		kind = p.Kind + " evidence, SOFTWARE-ROOTED (no hardware vouches for it)"
	}
	var facts []string
	for _, d := range p.Details {
		facts = append(facts, d.Name+"="+d.Value)
	}
	for _, d := range p.Self {
		facts = append(facts, d.Name+"="+d.Value)
	}
	if p.Seccomp != "" {
		facts = append(facts, "seccomp="+p.Seccomp.Short())
	}
	return plain(fmt.Sprintf("%s, form %q; %s", kind, p.Form, strings.Join(facts, " ")))
}

// AppraisalText says what evidence shows of a machine. What a reader must not overlook is in capitals.
func AppraisalText(a statement.Appraisal) string {
	parts := []string{a.Kind}
	switch {
	case a.Kind == statement.KindSimulated:
		parts = append(parts, "SIMULATED")
	case a.Simulated:
		parts = append(parts, "SOFTWARE-ROOTED")
	}
	if a.Debug {
		parts = append(parts, "DEBUG: THE HOST CAN READ THE ENCLAVE'S MEMORY")
	}
	if a.Status != "" {
		advisories := "no advisory"
		if len(a.Advisories) > 0 {
			advisories = strings.Join(a.Advisories, " ")
		}
		parts = append(parts, "TCB "+a.Status, "level of "+a.TCBDate, advisories, fmt.Sprintf("evaluation %d", a.Evaluation))
	}
	if a.TCB != "" {
		parts = append(parts, "TCB "+a.TCB+" of line "+a.Line)
	}
	if a.CollateralUntilMS > 0 {
		parts = append(parts, "collateral until "+time.UnixMilli(a.CollateralUntilMS).UTC().Format(time.RFC3339))
	}
	return plain(strings.Join(parts, ", "))
}

// appraisals prints what each owner's broker found before it let its keys go.
func (p *printer) appraisals() {
	p.line("\nWHAT EACH OWNER FOUND OF THE ENCLAVE\n")
	releases := slices.Clone(p.r.Releases)
	sort.Slice(releases, func(i, j int) bool { return p.r.Who(releases[i].Owner) < p.r.Who(releases[j].Owner) })
	for _, r := range releases {
		policies := make([]string, len(r.Appraisal.Policies))
		for i, d := range r.Appraisal.Policies {
			policies[i] = d.Short()
		}
		p.line("%s\t%s\tby policy %s", p.r.Who(r.Owner), AppraisalText(r.Appraisal), strings.Join(policies, ", "))
	}
}

// parties prints whole fingerprints: the names above are what parties call themselves.
func (p *printer) parties() {
	for _, n := range p.r.Notes {
		p.line("note\t%s", n)
	}
	p.line("\nWHO IS WHO, as they call themselves\n")
	list := append([]statement.Fingerprint{p.r.Receipt.Requester, p.r.Receipt.Operator}, p.r.Receipt.Recipients...)
	list = append(list, p.r.Job.Owners...)
	sort.Slice(list, func(i, j int) bool { return p.r.Who(list[i]) < p.r.Who(list[j]) })
	for _, f := range slices.Compact(list) {
		name := p.r.Names[f]
		if name == "" {
			name = "(not introduced)"
		}
		p.line("%s\t%s", name, f)
	}
}

func (p *printer) who(list []statement.Fingerprint) string {
	var out []string
	for _, f := range list {
		out = append(out, p.r.Who(f))
	}
	return strings.Join(out, ", ")
}

func (p *printer) exposures() {
	p.line("\nIN CLEAR, inside the perimeter only\n")
	p.line("owner\tdata set\tcolumn\tdecrypted bytes")
	for _, e := range p.r.Receipt.Exposures {
		o := p.r.Offers[e.Offer]
		column := e.Column
		switch column {
		case statement.FooterKey:
			column = "(footer)"
		case statement.NoiseKey:
			column = "(noise key)"
		}
		p.line("%s\t%s %s\t%s\t%d", p.r.Who(e.Owner), o.Dataset, o.Version, column, e.Bytes)
	}
	c := p.r.Receipt.Clear
	p.line("total\t\t\t%d", c.Bytes)
}

func (p *printer) durations() {
	c := p.r.Receipt.Clear
	p.line("\nFOR HOW LONG\n")
	p.line("by the enclave\t%s\tclock: %s", time.Duration(c.Micros)*time.Microsecond, p.r.Receipt.ClockClass)
	if tick := p.r.Receipt.TickMS; tick > 0 {
		p.line("timing\tanswered at ticks of %s, as policies ask: times last until one, memory is what the job may use", time.Duration(tick)*time.Millisecond)
	}
	p.line("clear byte-seconds\t%s", ByteSeconds(c))
	p.line("peak memory\t%d bytes", c.PeakMemory)
	for _, o := range p.r.Outside {
		d := time.Duration(o.ClosedMS-o.ReleasedMS) * time.Millisecond
		p.line("at most, by %s\t%s\tfrom its release to its acknowledgement, %s", p.r.Who(o.Owner), d,
			time.UnixMilli(o.ReleasedMS).UTC().Format(time.RFC3339))
	}
}

// ByteSeconds prints the product of bytes and time in clear.
func ByteSeconds(c statement.Clear) string {
	return fmt.Sprintf("%d.%03d", c.ByteMilliseconds/1000, c.ByteMilliseconds%1000)
}

func (p *printer) authority() {
	p.line("\nON WHOSE AUTHORITY\n")
	grants := append([]*statement.Grant{}, p.r.Grants...)
	sort.Slice(grants, func(i, j int) bool { return p.r.Who(grants[i].Owner) < p.r.Who(grants[j].Owner) })
	for _, g := range grants {
		how := "granted by hand"
		if g.Authority == statement.ByRule {
			how = "granted by its standing rule"
		}
		if g.Authority == statement.ByPurchase {
			how = "granted on a settled order"
		}
		p.line("%s\t%s\tuntil %s", p.r.Who(g.Owner), how, time.UnixMilli(g.UntilMS).UTC().Format(time.RFC3339))
	}
}

func (p *printer) responsibility() {
	p.line("\nWHO ANSWERS FOR WHICH LAYER\n")
	for _, l := range p.r.Receipt.Responsibility {
		p.line("%s\t%s\t%s", l.Layer, l.Who, l.Basis)
	}
}

func (p *printer) checks() {
	p.line("\nCHECKED\n")
	for _, c := range p.r.Checks {
		p.line("ok\t%s\t%s", c.Name, c.Detail)
	}
}
