package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/statement"
)

// NewTemplateCommand makes `cordon template` with its verbs.
func NewTemplateCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "template", Short: "Fix what contracts say, and approve them all at once"}
	cmd.AddCommand(newTemplateNew(), newTemplatePropose(), newTemplateShow(), newTemplateApprove(), newTemplateWithdraw())
	return cmd
}

const templateText = `template: 1
name: benchmark
# What contracts read: all of these. A data set has one owner; a pool's members are among those listed.
tables:
  - {name: alpha.strikes, owners: [alpha]}
purpose: research
# Who may propose: requesters by name or fingerprint, or whoever a party accredits, or both.
requesters: [institute]
# accredited_by: association
# requester: alone; owners: owners of what the contract reads, too.
recipients: requester
builds: ["sha256:0000000000000000000000000000000000000000000000000000000000000000"]
operators: [hangar]
evidence: [sev-snp]
perimeters: [process]
# How long a contract lasts at most, and how many each owner grants.
longest: 30d
contracts: 10
# queries_per_month: 20
# What an offer may cost in credits; absent: nothing.
# price: {per_query: 5, per_day: 30, flat: 100}
until: 2027-01-01
# replaces: sha256:...
`

func newTemplateNew() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "new",
		Short: "Print a template file to begin with",
		Long: `Print a template file to begin with.

Exit codes: 0 done, 2 usage.`,
		Example: `  cordon template new > template.yaml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				return printJSON(cmd.OutOrStdout(), map[string]string{"template": templateText})
			}
			_, err := io.WriteString(cmd.OutOrStdout(), templateText)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// templateFile is a template as people write it.
type templateFile struct {
	Template int64  `yaml:"template"`
	Name     string `yaml:"name"`
	Tables   []struct {
		Name   string   `yaml:"name"`
		Owners []string `yaml:"owners"`
	} `yaml:"tables"`
	Purpose      string   `yaml:"purpose"`
	Requesters   []string `yaml:"requesters"`
	AccreditedBy string   `yaml:"accredited_by"`
	Recipients   string   `yaml:"recipients"`
	Builds       []string `yaml:"builds"`
	Operators    []string `yaml:"operators"`
	Evidence     []string `yaml:"evidence"`
	Perimeters   []string `yaml:"perimeters"`
	PlanEncoding string   `yaml:"plan_encoding"`
	Longest      string   `yaml:"longest"`
	Contracts    int64    `yaml:"contracts"`
	OfMonth      int64    `yaml:"queries_per_month"`
	Price        struct {
		PerQuery int64 `yaml:"per_query"`
		PerDay   int64 `yaml:"per_day"`
		Flat     int64 `yaml:"flat"`
	} `yaml:"price"`
	Until    string `yaml:"until"`
	Replaces string `yaml:"replaces"`
}

// maxTemplateFile bounds what is read, in bytes.
const maxTemplateFile = 1 << 20

func readTemplate(path string, now time.Time) (*api.TemplatePropose, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.Input, "can't read the template", "check the path", err)
	}
	if len(src) > maxTemplateFile {
		return nil, fault.New(fault.Input, "the template is too large", "'cordon template new' prints one to begin with", nil)
	}
	var f templateFile
	d := yaml.NewDecoder(bytes.NewReader(src))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil {
		return nil, fault.New(fault.Input, "the template can't be read: "+strings.ReplaceAll(err.Error(), "\n", " "), "'cordon template new' prints one to begin with", nil)
	}
	if f.Template != 1 {
		return nil, fault.New(fault.Input, "the template is not of version 1", "begin with template: 1", nil)
	}
	return f.propose(now)
}

func (f *templateFile) propose(now time.Time) (*api.TemplatePropose, error) {
	until, err := parseUntil(f.Until, now)
	if err != nil {
		return nil, err
	}
	longest, err := parseUntil(f.Longest, now)
	if err != nil {
		return nil, err
	}
	builds, err := parseDigests(f.Builds)
	if err != nil {
		return nil, err
	}
	in := &api.TemplatePropose{
		Name: f.Name, Purpose: f.Purpose, Requesters: f.Requesters, AccreditedBy: f.AccreditedBy, Recipients: f.Recipients, Builds: builds,
		Operators: f.Operators, Evidence: f.Evidence, Perimeters: f.Perimeters, PlanEncoding: f.PlanEncoding, LongestMS: longest.Sub(now).Milliseconds(),
		Contracts: f.Contracts, OfMonth: f.OfMonth, MaxPerQuery: f.Price.PerQuery, MaxPerDay: f.Price.PerDay, MaxFlat: f.Price.Flat,
		Replaces: statement.Digest(f.Replaces), UntilMS: until.UnixMilli(),
	}
	for _, t := range f.Tables {
		in.Tables = append(in.Tables, api.TemplateTable{Name: t.Name, Owners: t.Owners})
	}
	for _, need := range []struct {
		key    string
		absent bool
	}{
		{"tables", len(in.Tables) == 0}, {"builds", len(in.Builds) == 0}, {"operators", len(in.Operators) == 0},
		{"evidence", len(in.Evidence) == 0}, {"perimeters", len(in.Perimeters) == 0},
	} {
		if need.absent {
			return nil, fault.New(fault.Input, "the template has no "+need.key, "a template says all that its contracts say; 'cordon template new' prints one", nil)
		}
	}
	return in, nil
}

func newTemplatePropose() *cobra.Command {
	var f agentFlags
	var pins []string
	cmd := &cobra.Command{
		Use:   "propose FILE",
		Short: "Sign and post a template",
		Long: `Sign and post a template: who asks what of whom, where, for how long, at which price.
Names are resolved by the exchange; --pin fixes them, and what is signed are fingerprints.
Owners approve it by its digest; until then it grants nothing. With 'replaces', the one
before makes no new contracts from now on.

Exit codes: 0 done, 2 usage, 3 malformed, or no such data or party, 4 something does not
verify, 7 agent or exchange do not answer.`,
		Example: `  cordon template propose template.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := readTemplate(args[0], time.Now())
			if err != nil {
				return err
			}
			if in.Pins, err = parsePins(pins); err != nil {
				return err
			}
			return call(cmd, &f, api.PathTemplatePropose, in, templateDetail)
		},
	}
	f.add(cmd)
	cmd.Flags().StringArrayVar(&pins, "pin", nil, "NAME=FINGERPRINT of a party (repeatable)")
	return cmd
}

func templateState(t *api.Template) string {
	switch {
	case t.Ended != "":
		return "ended: " + t.Ended
	case t.Approved:
		return "approved by this party"
	case t.Owner:
		return "not approved by this party"
	}
	return "in force"
}

func templateDetail(w io.Writer, t *api.Template) error {
	b, out := t.Terms, newTable(w)
	out.row("template", string(t.Digest))
	out.row("name", b.Name)
	out.row("author", t.Author.Name, string(t.Author.Fingerprint))
	out.row("state", templateState(t))
	for _, s := range b.Tables {
		out.row("data", s.Name, "of "+strings.Join(shortAll(s.Owners), ", "))
	}
	out.row("purpose", b.Purpose)
	for _, r := range b.Requesters {
		out.row("requester", string(r))
	}
	if b.AccreditedBy != "" {
		out.row("requester", "whoever is accredited by "+string(b.AccreditedBy))
	}
	out.row("recipients", b.Recipients)
	for _, d := range b.Builds {
		out.row("build", string(d))
	}
	for _, o := range b.Operators {
		out.row("operator", string(o))
	}
	out.row("evidence", strings.Join(b.Evidence, ", "))
	out.row("perimeters", strings.Join(b.Perimeters, ", "))
	out.row("plan encoding", b.PlanEncoding)
	out.row("longest", (time.Duration(b.LongestMS) * time.Millisecond).String())
	out.row("contracts", number(b.Contracts)+" of each owner")
	if b.OfMonth > 0 {
		out.row("queries", number(b.OfMonth)+" of one requester in a calendar month (UTC)")
	}
	out.row("price", fmt.Sprintf("at most %d a query, %d a day, %d flat", b.MaxPerQuery, b.MaxPerDay, b.MaxFlat))
	if b.Replaces != "" {
		out.row("replaces", string(b.Replaces))
	}
	out.row("until", at(b.UntilMS))
	return out.end()
}

func shortAll(list []statement.Fingerprint) (out []string) {
	for _, f := range list {
		out = append(out, f.Short())
	}
	return out
}

func newTemplateShow() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "show [TEMPLATE]",
		Short: "Show a template, or list those that concern this party",
		Long: `Show a template by its digest, or list those that concern this party.

Exit codes: 0 done, 2 usage, 3 no such template, 4 it does not verify, 7 agent or exchange
do not answer.`,
		Example: `  cordon template show
  cordon template show sha256:…`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var in api.About
			if len(args) > 0 {
				d, err := parseDigest(args[0])
				if err != nil {
					return err
				}
				in.Digest = d
			}
			return call(cmd, &f, api.PathTemplates, in, func(w io.Writer, l *api.Templates) error {
				if in.Digest != "" && len(l.Templates) == 1 {
					return templateDetail(w, &l.Templates[0])
				}
				t := newTable(w, "TEMPLATE", "NAME", "AUTHOR", "PURPOSE", "STATE", "UNTIL")
				for i := range l.Templates {
					x := &l.Templates[i]
					t.row(string(x.Digest), x.Terms.Name, x.Author.Name, x.Terms.Purpose, templateState(x), at(x.Terms.UntilMS))
				}
				return t.end()
			})
		},
	}
	f.add(cmd)
	return cmd
}

func newTemplateApprove() *cobra.Command {
	return addOfficers(contractVerb("approve TEMPLATE", "Let this party's agent grant contracts of a template by itself",
		`Let this party's agent grant by itself the contracts that are made from a template and
keep to it in every clause; those that wait already, too. Read it first: 'template show'.
Policy and terms stand above it: what they refuse is refused, and what is sold is not granted.
Where officers approve grants, they approve this one for all.

Exit codes: 0 done, 2 usage, 3 no such template, 4 something does not verify, 6 it names no
data of this party, or has ended, 7 agent or exchange do not answer.`,
		"cordon template approve sha256:…",
		func(cmd *cobra.Command, f *agentFlags, d statement.Digest) error {
			return call(cmd, f, api.PathTemplateApprove, api.About{Digest: d}, templateDetail)
		}))
}

func newTemplateWithdraw() *cobra.Command {
	var reason string
	cmd := contractVerb("withdraw TEMPLATE", "Take back an approval, or a template of one's own",
		`Take back this party's approval of a template, and the template itself where it is this
party's. No contract is granted by it from the moment this returns. What was granted stays:
'contract revoke' takes it back.

Exit codes: 0 done, 2 usage, 3 neither approved here nor this party's, 7 the agent does not
answer, or the exchange; an approval is taken back without it.`,
		"cordon template withdraw sha256:…",
		func(cmd *cobra.Command, f *agentFlags, d statement.Digest) error {
			return call(cmd, f, api.PathTemplateWithdraw, api.About{Digest: d, Reason: reason}, func(w io.Writer, r *api.Revoked) error {
				_, err := fmt.Fprintf(w, "withdrawn %s\n", r.Digests[0])
				return err
			})
		})
	cmd.Flags().StringVar(&reason, "reason", "", "text for the ledger, and for those who read the revocation")
	return cmd
}
