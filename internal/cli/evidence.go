package cli

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/evidence/exhibit"
	"github.com/cordon-exchange/cordon/internal/fault"
)

// NewEvidenceCommand groups what one does with evidence on record, and with what vendors say about machines.
func NewEvidenceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "evidence",
		Short: "Read and check evidence of enclaves, and keep what vendors say about machines",
	}
	cmd.AddCommand(newEvidenceShow(), newEvidenceVerify(), newCollateral())
	return cmd
}

type evidenceFlags struct {
	kind, at, home       string
	collateral, root, ak string
	endorsements         []string
	nonce, nonceHex      string
	issuer, audience     string
	anyNonce, akAsGiven  bool
	allowDebug, json     bool
	now                  func() time.Time
}

func newEvidenceShow() *cobra.Command {
	f := evidenceFlags{now: time.Now}
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "Print what evidence says, without proof",
		Long: `Print what evidence says: measurements, versions, what it is bound to. Nothing of
it is proved: anybody can write such a file. 'cordon evidence verify' says what is.

FILE is an SGX or TDX quote, an SEV-SNP report, a Nitro document, a Confidential Space
token, a TPM's quote (in the forms of Trustee and go-tpm-tools), the JSON of a
statement's evidence, or a receipt bundle. The bytes tell which, or --kind does.

Exit codes: 0 done, 2 usage, 3 it can't be read as evidence.`,
		Example: `  cordon evidence show quote.bin
  cordon evidence show job.bundle.json --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.show(cmd, args[0]) },
	}
	cmd.Flags().StringVar(&f.kind, "kind", "", "kind of the evidence, if the bytes shall not tell: "+strings.Join(exhibit.Kinds(), ", "))
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

func newEvidenceVerify() *cobra.Command {
	f := evidenceFlags{now: time.Now}
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Explain, check by check, what evidence proves and by whose root",
		Long: `Explain, check by check, what evidence proves and by whose root: a line for each
check, ok, FAILED with the reason, or not reached. It dials nobody: collateral,
certificates and lists come from files. What a person must not overlook stands in
capitals: debug enclaves, simulated and software-rooted evidence, roots that are no
vendor's.

Refused are debug enclaves (unless --allow-debug), machines that are neither UpToDate
nor SWHardeningNeeded, and collateral or lists that are absent or not current at
--at. Which program ran for whom is for policies: 'cordon receipt verify'.

Exit codes: 0 all of it is proved, 2 usage or something it must be judged by is not
given, 3 it can't be read, 4 it is not genuine, or nothing current proves it,
6 genuine, and refused for what it is: debug, a machine out of date.`,
		Example: `  cordon evidence verify quote.bin --collateral collateral.json
  cordon evidence verify report.bin --endorsement vcek.der --at 2025-02-27T16:26:55Z
  cordon evidence verify token.jwt --audience https://sts.example.com --nonce 2d42…`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.verify(cmd, args[0]) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.kind, "kind", "", "kind of the evidence, if the bytes shall not tell: "+strings.Join(exhibit.Kinds(), ", "))
	fl.StringVar(&f.at, "at", "", "time to judge it at, 2026-01-31T12:00:00Z; default now, for a bundle its receipt's own")
	fl.StringVar(&f.home, "home", "", "home folder of a party whose collateral judges evidence that comes without")
	fl.StringVar(&f.collateral, "collateral", "", "file of collateral for SGX and TDX")
	fl.StringArrayVar(&f.endorsements, "endorsement", nil, "file that endorses: VCEK or VLEK, then revocation lists (DER); a token's key set (repeatable)")
	fl.StringVar(&f.root, "root", "", "file of the root to rely on instead of the vendor's (PEM)")
	fl.StringVar(&f.audience, "audience", "", "whom a token must be for")
	fl.StringVar(&f.issuer, "issuer", "", "who must have issued a token; default Google's attestation service")
	fl.StringVar(&f.nonce, "nonce", "", "nonce that a token must have")
	fl.BoolVar(&f.anyNonce, "any-nonce", false, "accept a token whoever asked for it")
	fl.StringVar(&f.nonceHex, "nonce-hex", "", "nonce that a TPM's quote must have, in hex")
	fl.StringVar(&f.ak, "ak", "", "file of the attestation key pinned for a plain TPM (public key, PEM or DER)")
	fl.BoolVar(&f.akAsGiven, "ak-as-given", false, "take the attestation key that comes with a TPM's quote: proves nothing about the machine")
	fl.BoolVar(&f.allowDebug, "allow-debug", false, "accept enclaves that their host can look into")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

func (f *evidenceFlags) open(path string) (*exhibit.Exhibit, error) {
	if f.kind != "" && !slices.Contains(exhibit.Kinds(), f.kind) {
		return nil, fault.New(fault.Usage, fmt.Sprintf("no kind of evidence: %.40q", f.kind), "one of "+strings.Join(exhibit.Kinds(), ", "), nil)
	}
	src, err := readBounded(path, exhibit.MaxFile)
	if err != nil {
		return nil, fault.New(fault.Input, "can't read the evidence", "name a file of evidence", err)
	}
	e, err := exhibit.Open(src, exhibit.Kind(f.kind))
	if err != nil {
		return nil, fault.New(fault.Input, "not evidence", "say what it is with --kind", plain(err))
	}
	return e, nil
}

// judged is the exhibit with all files and demands of the flags.
func (f *evidenceFlags) judged(path string) (*exhibit.Exhibit, error) {
	e, err := f.open(path)
	if err != nil {
		return nil, err
	}
	if e.At.IsZero() {
		e.At = f.now()
	}
	if f.at != "" {
		if e.At, err = time.Parse(time.RFC3339, f.at); err != nil {
			return nil, fault.New(fault.Usage, fmt.Sprintf("not a time: %.40q", f.at), "write --at 2026-01-31T12:00:00Z", nil)
		}
	}
	e.Demands = exhibit.Demands{
		Issuer: f.issuer, Audience: f.audience, Nonce: f.nonce, AnyNonce: f.anyNonce, AKAsGiven: f.akAsGiven, AllowDebug: f.allowDebug,
	}
	if e.Qualifying, err = hex.DecodeString(f.nonceHex); err != nil {
		return nil, fault.New(fault.Usage, "the nonce is not hex", "write --nonce-hex with hex digits", nil)
	}
	if err := f.attach(e); err != nil || f.home == "" {
		return e, err
	}
	return e, fromCache(e, f.home)
}

// attach reads the files that the evidence is judged by. Those that are named take the place of those that it brought.
func (f *evidenceFlags) attach(e *exhibit.Exhibit) error {
	for name, into := range map[string]*[]byte{f.collateral: &e.Collateral, f.root: &e.Root, f.ak: &e.AK} {
		if name == "" {
			continue
		}
		b, err := readBounded(name, exhibit.MaxFile)
		if err == nil && len(b) == 0 {
			err = errors.New("empty")
		}
		if err != nil {
			return fault.New(fault.Input, "can't read "+ascii(name), "name files that can be read", err)
		}
		*into = b
	}
	if len(f.endorsements) > 0 {
		e.Endorsements = nil
	}
	for _, name := range f.endorsements {
		b, err := readBounded(name, exhibit.MaxFile)
		if err != nil {
			return fault.New(fault.Input, "can't read "+ascii(name), "name files that can be read", err)
		}
		e.Endorsements = append(e.Endorsements, b)
	}
	return nil
}

// saidJSON is what show prints.
type saidJSON struct {
	File     string         `json:"file"`
	Kind     exhibit.Kind   `json:"kind"`
	Proved   bool           `json:"proved"` // never
	Build    string         `json:"build,omitempty"`
	Measured string         `json:"measured,omitempty"`
	Operator string         `json:"operator,omitempty"`
	Form     string         `json:"perimeter,omitempty"`
	Debug    *bool          `json:"debug,omitempty"`
	Fields   map[string]any `json:"fields"`
}

func (f *evidenceFlags) show(cmd *cobra.Command, path string) error {
	e, err := f.open(path)
	if err != nil {
		return err
	}
	s := exhibit.Read(e)
	if s.Err != nil {
		return fault.New(fault.Input, "not evidence of kind "+string(s.Kind), "say what it is with --kind", plain(s.Err))
	}
	if f.json {
		return printJSON(cmd.OutOrStdout(), saidJSON{path, s.Kind, false, s.Build, s.Measured, s.Operator, s.Form, s.Debug, s.Fields})
	}
	w := cmd.OutOrStdout()
	if _, err := fmt.Fprintf(w, "NOT PROVED: this is what the file says, and anybody can write it.\n\n"); err != nil {
		return err
	}
	t := newTable(w)
	t.row("kind", string(s.Kind))
	for _, x := range [][2]string{{"build", s.Build}, {"measured", s.Measured}, {"operator", s.Operator}, {"perimeter", s.Form}} {
		if x[1] != "" {
			t.row(x[0], ascii(x[1]))
		}
	}
	if s.Debug != nil && *s.Debug {
		t.row("DEBUG", "ITS HOST CAN LOOK INTO IT")
	}
	if s.Kind == exhibit.Simulated {
		t.row("SIMULATED", "NO HARDWARE STANDS BEHIND IT")
	}
	fields(t, s.Fields)
	return t.end()
}

func fields(t *table, m map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		s, ok := m[name].(string)
		if !ok {
			b, err := json.Marshal(m[name])
			if err != nil {
				continue
			}
			s = string(b)
		}
		if s == "" {
			s = `""`
		}
		t.row(ascii(name), ascii(s))
	}
}

// verdictJSON is what verify prints.
type verdictJSON struct {
	File     string          `json:"file,omitempty"`
	Kind     exhibit.Kind    `json:"kind"`
	At       string          `json:"at,omitempty"`
	Proved   bool            `json:"proved"`
	Root     string          `json:"root,omitempty"`
	Marks    []string        `json:"marks"`
	Checks   []exhibit.Check `json:"checks"`
	Hardware *verdictJSON    `json:"hardware,omitempty"`
	Debug    *bool           `json:"debug,omitempty"`
	TCB      map[string]any  `json:"tcb,omitempty"`
	Fields   map[string]any  `json:"fields,omitempty"`
}

func verdictOf(f *exhibit.Finding) *verdictJSON {
	v := &verdictJSON{
		Kind: f.Kind, Proved: f.Err == nil, Root: f.Root, Marks: slices.Concat([]string{}, f.Marks), Checks: f.Checks, Debug: f.Debug, TCB: f.TCB, Fields: f.Fields,
	}
	if f.Err != nil {
		v.Root = ""
	}
	if f.Hardware != nil {
		v.Hardware = verdictOf(f.Hardware)
	}
	return v
}

func (f *evidenceFlags) verify(cmd *cobra.Command, path string) error {
	e, err := f.judged(path)
	if err != nil {
		return err
	}
	found := exhibit.Judge(e)
	if f.json {
		v := verdictOf(found)
		v.File, v.At = path, e.At.UTC().Format(time.RFC3339)
		err = printJSON(cmd.OutOrStdout(), v)
	} else {
		err = writeFinding(cmd.OutOrStdout(), found, e.At)
	}
	if err != nil {
		return err
	}
	return evidenceFault(found)
}

func writeFinding(w io.Writer, f *exhibit.Finding, at time.Time) error {
	t := newTable(w)
	if f.Hardware != nil {
		writeChecks(t, f.Hardware)
		t.row()
	}
	writeChecks(t, f)
	if err := t.end(); err != nil {
		return err
	}
	verdict := "\nNOT PROVED at " + at.UTC().Format(time.RFC3339)
	if f.Err == nil {
		verdict = "\nproved at " + at.UTC().Format(time.RFC3339) + "; it rests on " + ascii(f.Root)
	}
	for _, m := range f.Marks {
		verdict += "\n" + m
	}
	_, err := fmt.Fprintln(w, verdict)
	return err
}

func writeChecks(t *table, f *exhibit.Finding) {
	t.row("kind", string(f.Kind))
	for _, c := range f.Checks {
		t.row(string(c.State), c.Name, ascii(c.Says))
	}
}

// evidenceFault is the exit code of a finding.
func evidenceFault(f *exhibit.Finding) error {
	switch {
	case f.Err == nil:
		return nil
	case f.Malformed():
		return fault.New(fault.Input, "the evidence, or what it is judged by, is malformed", "see the line FAILED", plain(f.Err))
	case errors.Is(f.Err, exhibit.ErrMissing) && !slices.ContainsFunc(f.Checks, func(c exhibit.Check) bool { return c.State == exhibit.Failed && c.Name != "input" }):
		return fault.New(fault.Usage, "the evidence can't be judged", "see 'cordon evidence verify --help' for the flag that gives it", plain(f.Err))
	case f.Genuine():
		return fault.New(fault.Refused, "the evidence is genuine, and not accepted", "see the line FAILED; only a policy that says so by name accepts such a machine", plain(f.Err))
	}
	return fault.New(fault.Untrusted, "the evidence is not proved", "do not rely on it; see the line FAILED", plain(f.Err))
}

// plain is an error whose text can be printed: parts of evidence may stand in it.
func plain(err error) error { return errors.New(ascii(err.Error())) }

// ascii shows text of somebody else: what a terminal could take for something else is escaped.
func ascii(s string) string {
	var out strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			out.WriteString("; ")
		case r < ' ' || r > '~':
			fmt.Fprintf(&out, "\\u%04x", r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}
