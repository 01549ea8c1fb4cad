package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/statement"
)

// NewContractCommand makes `cordon contract` with its verbs.
func NewContractCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "contract", Short: "Propose, grant and revoke contracts"}
	cmd.AddCommand(newContractPropose(), newContractGrant(), newContractCounter(), newContractReject(), newContractRevoke(), newContractList(), newContractShow())
	return cmd
}

type proposeFlags struct {
	agentFlags
	in     api.ContractPropose
	builds []string
	until  string
	answer string
	accept string
	of     string
	pins   []string
	wait   time.Duration
}

func newContractPropose() *cobra.Command {
	var f proposeFlags
	cmd := &cobra.Command{
		Use:   "propose --data NAME --purpose TEXT --build DIGEST --operator PARTY --evidence KIND --perimeter FORM --until TIME",
		Short: "Propose a contract: which data, for what, for whom, where, until when",
		Long: `Propose a contract. It pins every party by fingerprint: owners, recipients, operators.
Owners grant it by hand or by a standing rule of their policy; a grant names the
contract's digest and is good for nothing else. Own data in it is granted at once.

Names are resolved by the exchange, and their fingerprints printed; --pin fixes them.
--accept COUNTER proposes the contract that an owner countered, as its counter has it.
--template TEMPLATE proposes one made from it: owners that approved it grant it at once.

Exit codes: 0 done, 2 usage, 3 no such data or party, 4 something does not verify,
7 agent or exchange do not answer, or --wait ended before all owners had granted.`,
		Example: `  cordon contract propose --data pool.strikes --purpose benchmarking --build sha256:… \
    --operator hangar --evidence simulated --perimeter process --until 30d --wait 10s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return contractPropose(cmd, f) },
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.StringArrayVar(&f.in.Data, "data", nil, "pool.NAME or PARTY.DATASET, with an optional @DIGEST (repeatable, required)")
	fl.StringVar(&f.in.Purpose, "purpose", "", "what the results are for (required)")
	fl.StringArrayVar(&f.in.Recipients, "recipient", nil, "who receives results; default this party alone (repeatable)")
	fl.StringArrayVar(&f.builds, "build", nil, "digest of an enclave build to accept (repeatable, required)")
	fl.StringArrayVar(&f.in.Operators, "operator", nil, "operator of hosts to accept (repeatable, required)")
	fl.StringArrayVar(&f.in.Evidence, "evidence", nil, "kind of evidence to accept; simulated only by name (repeatable, required)")
	fl.StringArrayVar(&f.in.Perimeters, "perimeter", nil, "form of the perimeter to accept (repeatable, required)")
	fl.StringVar(&f.until, "until", "", "end: a date, or a time from now such as 30d (required)")
	fl.StringVar(&f.answer, "answer-by", "", "no owner grants it from then on: a date, or a time from now")
	fl.BoolVar(&f.in.Logged, "log", false, "name the exchange's log, and want this party's and every owner's witness to cosign it: 'cordon receipt bundle' needs it")
	fl.StringArrayVar(&f.in.Witnesses, "witness", nil, "another party whose witness must cosign the log (repeatable, with --log)")
	fl.StringVar(&f.accept, "accept", "", "digest of an owner's counter, instead of what else a contract says")
	fl.StringVar(&f.of, "template", "", "digest of a template, which says all but --data NAME@DIGEST, --recipient and --until")
	fl.StringArrayVar(&f.in.Accredited, "accredited-by", nil, "show owners what this party says of this one and the recipients (repeatable)")
	fl.StringArrayVar(&f.pins, "pin", nil, "NAME=FINGERPRINT of a party (repeatable)")
	fl.DurationVar(&f.wait, "wait", 0, "wait until all owners have granted, at most this long")
	return cmd
}

func contractPropose(cmd *cobra.Command, f proposeFlags) error {
	if f.accept != "" {
		d, err := parseDigest(f.accept)
		if err != nil {
			return err
		}
		if len(f.in.Data) > 0 || f.until != "" || f.in.Purpose != "" || f.answer != "" {
			return fault.New(fault.Usage, "--accept says all of the contract", "leave the other flags out, but --wait", nil)
		}
		f.in = api.ContractPropose{Accept: d, WaitMS: f.wait.Milliseconds()}
		return postProposal(cmd, &f)
	}
	if f.of != "" {
		return contractOf(cmd, &f)
	}
	var err error
	if f.in.Builds, err = parseDigests(f.builds); err != nil {
		return err
	}
	if f.in.Pins, err = parsePins(f.pins); err != nil {
		return err
	}
	if f.until == "" {
		return fault.New(fault.Usage, "no end given", "give --until, as in --until 30d", nil)
	}
	until, err := parseUntil(f.until, time.Now())
	if err != nil {
		return err
	}
	for _, need := range []struct {
		flag    string
		missing bool
	}{
		{"--data", len(f.in.Data) == 0}, {"--purpose", f.in.Purpose == ""}, {"--build", len(f.in.Builds) == 0},
		{"--operator", len(f.in.Operators) == 0}, {"--evidence", len(f.in.Evidence) == 0}, {"--perimeter", len(f.in.Perimeters) == 0},
	} {
		if need.missing {
			return fault.New(fault.Usage, "missing "+need.flag, "a contract says all of it; see --help", nil)
		}
	}
	if len(f.in.Witnesses) > 0 && !f.in.Logged {
		return fault.New(fault.Usage, "--witness without --log", "add --log", nil)
	}
	f.in.UntilMS, f.in.WaitMS = until.UnixMilli(), f.wait.Milliseconds()
	if f.answer != "" {
		by, err := parseUntil(f.answer, time.Now())
		if err != nil {
			return err
		}
		f.in.AnswerByMS = by.UnixMilli()
	}
	return postProposal(cmd, &f)
}

// contractOf proposes a contract that a template makes.
func contractOf(cmd *cobra.Command, f *proposeFlags) (err error) {
	if f.in.Template, err = parseDigest(f.of); err != nil {
		return err
	}
	if f.in.Purpose != "" || f.answer != "" || len(f.builds)+len(f.in.Operators)+len(f.in.Evidence)+len(f.in.Perimeters)+len(f.in.Accredited) > 0 {
		return fault.New(fault.Usage, "--template says what the other flags would", "leave them out, but --data NAME@DIGEST, --recipient, --until, --pin and --wait", nil)
	}
	if f.in.Pins, err = parsePins(f.pins); err != nil {
		return err
	}
	if f.until != "" {
		until, err := parseUntil(f.until, time.Now())
		if err != nil {
			return err
		}
		f.in.UntilMS = until.UnixMilli()
	}
	f.in.WaitMS = f.wait.Milliseconds()
	return postProposal(cmd, f)
}

func postProposal(cmd *cobra.Command, f *proposeFlags) error {
	var missing []api.Party
	err := call(cmd, &f.agentFlags, api.PathContractPropose, f.in, func(w io.Writer, c *api.Contract) error {
		missing = c.Missing
		return contractText(w, c)
	})
	if err == nil && f.wait > 0 && len(missing) > 0 {
		return fault.New(fault.Unavailable, "not granted yet by "+names(missing), "ask them, then see 'cordon contract show DIGEST'", nil)
	}
	return err
}

func contractText(w io.Writer, c *api.Contract) error {
	t := newTable(w)
	t.row("contract", string(c.Digest))
	t.row("requester", c.Requester.Name, string(c.Requester.Fingerprint))
	t.row("purpose", c.Purpose)
	for _, table := range c.Tables {
		t.row("data", table.Name, number(int64(len(table.Members)))+" owners")
	}
	t.row("evidence", strings.Join(c.Terms.Evidence, ", "))
	t.row("perimeters", strings.Join(c.Terms.Perimeters, ", "))
	for _, b := range c.Terms.Builds {
		t.row("build", string(b))
	}
	for _, o := range c.Terms.Operators {
		t.row("operator", string(o))
	}
	for _, r := range c.Terms.Recipients {
		t.row("recipient", string(r))
	}
	if l := c.Terms.Log; l != nil {
		t.row("log", l.Key, fmt.Sprintf("%d of %d witnesses", l.Quorum, len(l.Witnesses)))
	}
	t.row("until", at(c.Terms.UntilMS))
	if c.Terms.AnswerByMS != 0 {
		t.row("answer by", at(c.Terms.AnswerByMS))
	}
	t.row("state", c.State)
	if c.Terms.Template != "" {
		t.row("template", string(c.Terms.Template))
	}
	for _, a := range c.Terms.Accreditations {
		t.row("accreditation", string(a))
	}
	for _, r := range c.Rejected {
		t.row("rejected", "by "+r.Name+": "+r.Reason)
	}
	for _, n := range c.Counters {
		t.row("countered", "by "+n.Owner.Name+": "+n.Terms.Reason+" (cordon contract propose --accept "+string(n.Digest)+")")
	}
	t.row("granted", fmt.Sprintf("by %d of %d owners", len(c.Granted), len(c.Granted)+len(c.Missing)))
	if len(c.Missing) > 0 {
		t.row("not granted", "by "+names(c.Missing))
	}
	if err := t.end(); err != nil {
		return err
	}
	t = newTable(w, "OWNER", "GRANTED", "FINGERPRINT", "OFFER")
	for _, table := range c.Tables {
		for _, m := range table.Members {
			granted := "no"
			if m.Signed {
				granted = "yes"
			}
			t.row(m.Name, granted, string(m.Fingerprint), m.Offer.Short())
		}
	}
	return errors.Join(t.end(), writeNotes(w, c.Notes))
}

func newContractGrant() *cobra.Command {
	return addOfficers(contractVerb("grant CONTRACT", "Grant a contract, by hand",
		`Grant a contract for all of this party's data in it. The policy of the data still
decides about every job; what it could never allow is refused here at once. Notes tell
of versions that a newer one has replaced, and of others that can be asked too.

Exit codes: 0 done, 2 usage, 3 no such contract, 4 something does not verify, 6 the
policy refuses, 7 agent or exchange do not answer.`,
		"cordon contract grant sha256:…",
		func(cmd *cobra.Command, f *agentFlags, d statement.Digest) error {
			return call(cmd, f, api.PathContractGrant, api.About{Digest: d}, contractText)
		}))
}

func contractVerb(use, short, long, example string, run func(*cobra.Command, *agentFlags, statement.Digest) error) *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Example: "  " + example, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := parseDigest(args[0])
			if err != nil {
				return err
			}
			return run(cmd, &f, d)
		},
	}
	f.add(cmd)
	return cmd
}

func newContractRevoke() *cobra.Command {
	var reason string
	cmd := contractVerb("revoke DIGEST", "Take back a grant, or a contract of one's own",
		`Take back a grant, or a contract that this party proposed. DIGEST is the contract's.
From the moment this returns, no key is released under it. What was granted here needs no
exchange: the revocation holds, and is posted as soon as the exchange takes it.

Exit codes: 0 done, 2 usage, 3 nothing of this party's to revoke, 7 the agent does not
answer, or an exchange that is needed to know what to revoke.`,
		"cordon contract revoke sha256:… --reason \"end of study\"",
		func(cmd *cobra.Command, f *agentFlags, d statement.Digest) error {
			return call(cmd, f, api.PathContractRevoke, api.About{Digest: d, Reason: reason}, func(w io.Writer, r *api.Revoked) error {
				_, err := fmt.Fprintf(w, "revoked %s\n", r.Digests[0])
				if err == nil && r.Unposted {
					_, err = fmt.Fprintln(w, "it holds here; the exchange did not take it, and the agent posts it as soon as it does")
				}
				return err
			})
		})
	cmd.Flags().StringVar(&reason, "reason", "", "text for those who read the revocation")
	return cmd
}

func newContractList() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the contracts that name this party",
		Long: `List the contracts that name this party.

Exit codes: 0 done, 2 usage, 7 agent or exchange do not answer.`,
		Example: `  cordon contract list`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(cmd, &f, api.PathContracts, api.About{}, func(w io.Writer, l *api.Contracts) error {
				t := newTable(w, "CONTRACT", "REQUESTER", "PURPOSE", "STATE", "GRANTED", "UNTIL")
				for _, c := range l.Contracts {
					t.row(string(c.Digest), c.Requester.Name, c.Purpose, c.State, fmt.Sprintf("%d/%d", len(c.Granted), len(c.Granted)+len(c.Missing)), at(c.Terms.UntilMS))
				}
				return t.end()
			})
		},
	}
	f.add(cmd)
	return cmd
}

func newContractShow() *cobra.Command {
	return contractVerb("show CONTRACT", "Show a contract, and who has granted it",
		`Show a contract, and who has granted it.

Exit codes: 0 done, 2 usage, 3 no such contract, 4 it does not verify, 7 agent or
exchange do not answer.`,
		"cordon contract show sha256:…",
		func(cmd *cobra.Command, f *agentFlags, d statement.Digest) error {
			return call(cmd, f, api.PathContracts, api.About{Digest: d}, func(w io.Writer, l *api.Contracts) error {
				return contractText(w, &l.Contracts[0])
			})
		})
}
