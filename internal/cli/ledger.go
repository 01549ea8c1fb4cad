package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/statement"
)

// NewLedgerCommand makes `cordon ledger` with its verbs.
func NewLedgerCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "ledger", Short: "Read the account of what left this party's hands"}
	cmd.AddCommand(newLedgerShow(), newLedgerVerify(), newLedgerRepair(), newLedgerTakeover())
	return cmd
}

func newLedgerShow() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show exposures, open ones first, then charges, grants and refusals",
		Long: `Show what left this party's hands: every release of keys, open ones (without a receipt)
first; then charges, of credits and of privacy budgets, grants and refusals, each with its reason.

Exit codes: 0 done, 2 usage, 7 the agent does not answer.`,
		Example: `  cordon ledger show
  cordon ledger show --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(cmd, &f, api.PathLedger, api.Empty{}, func(w io.Writer, v *api.LedgerView) error {
				return (&ledgerText{w: w, v: v, names: namesOf(v)}).print()
			})
		},
	}
	f.add(cmd)
	return cmd
}

func namesOf(v *api.LedgerView) map[statement.Fingerprint]string {
	out := map[statement.Fingerprint]string{}
	for _, p := range v.Parties {
		out[p.Fingerprint] = p.Name
	}
	return out
}

type ledgerText struct {
	w     io.Writer
	v     *api.LedgerView
	names map[statement.Fingerprint]string
}

func (l *ledgerText) who(f statement.Fingerprint) string {
	if n := l.names[f]; n != "" {
		return n
	}
	return f.Short()
}

func (l *ledgerText) print() error {
	for _, section := range []func() error{l.exposures, l.enclaves, l.charges, l.budgets, l.agreements, l.refusals} {
		if err := section(); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(l.w, "%d entries, head %s\n", l.v.Head.Seq, l.v.Head.Digest)
	return err
}

func (l *ledgerText) exposures() error {
	t := newTable(l.w, "EXPOSURE", "JOB", "REQUESTER", "NO", "COLUMNS", "RELEASED", "CLOSED AFTER", "BYTES", "OUTCOME")
	for _, x := range l.v.Exposures {
		state, after, outcome := "closed", (time.Duration(x.ClosedMS-x.ReleasedMS) * time.Millisecond).String(), x.Outcome
		if x.Open() {
			state, after, outcome = "OPEN", "-", "no receipt"
		}
		columns := 0
		for _, o := range x.Columns {
			columns += len(o.Columns)
		}
		t.row(state, x.Job.Short(), l.who(x.Requester), number(x.Number), number(int64(columns)), at(x.ReleasedMS), after, number(x.Bytes), outcome)
	}
	return l.section(t, len(l.v.Exposures))
}

// enclaves says what keys were released to, and by which policies.
func (l *ledgerText) enclaves() error {
	t := newTable(l.w, "RELEASED", "JOB", "PLAN", "EVIDENCE", "POLICY", "ENCLAVE")
	rows := 0
	for _, x := range l.v.Exposures {
		if x.Appraisal == nil { // an entry of an older version
			continue
		}
		rows++
		var policies []string
		for _, d := range x.Appraisal.Policies {
			policies = append(policies, d.Short())
		}
		t.row(at(x.ReleasedMS), x.Job.Short(), x.Plan.Short(), x.Evidence.Short(), strings.Join(policies, " "), receipt.AppraisalText(*x.Appraisal))
	}
	return l.section(t, rows)
}

func (l *ledgerText) section(t *table, rows int) error {
	if rows == 0 {
		return nil
	}
	if err := t.end(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(l.w)
	return err
}

// list prints the entries of some kinds.
func (l *ledgerText) list(t *table, row func(e *ledger.Entry) bool) error {
	n := 0
	for i := range l.v.Entries {
		if row(&l.v.Entries[i]) {
			n++
		}
	}
	return l.section(t, n)
}

func (l *ledgerText) charges() error {
	t := newTable(l.w, "CHARGE", "JOB", "REQUESTER", "CREDITS")
	return l.list(t, func(e *ledger.Entry) bool {
		if e.Kind != ledger.KindCharge {
			return false
		}
		t.row(at(e.AtMS), e.Job.Short(), l.who(e.Requester), number(e.Charged))
		return true
	})
}

func (l *ledgerText) budgets() error {
	t := newTable(l.w, "BUDGET", "DATA SET", "JOB", "REQUESTER", "EPSILON", "RHO", "DELTA")
	return l.list(t, func(e *ledger.Entry) bool {
		if e.Kind != ledger.KindBudget {
			return false
		}
		t.row(at(e.AtMS), e.Name, e.Job.Short(), l.who(e.Requester), string(e.Epsilon), string(e.Rho), string(e.Delta))
		return true
	})
}

func (l *ledgerText) agreements() error {
	t := newTable(l.w, "AGREEMENT", "WHAT", "ABOUT", "BY", "REQUESTER")
	return l.list(t, func(e *ledger.Entry) bool {
		about, by := e.About.Short(), e.Authority
		switch e.Kind {
		case ledger.KindGrant:
			about = "contract " + e.Contract.Short()
		case ledger.KindPool:
			about = fmt.Sprintf("pool.%s epoch %d", e.Name, e.Epoch)
		case ledger.KindPublish, ledger.KindRetire, ledger.KindDestroy:
			about = e.Name + " version " + e.Version
		case ledger.KindApprove:
			t.row(at(e.AtMS), e.Kind, e.Name+" "+e.About.Short(), "officer "+e.Requester.Short(), "")
			return true
		case ledger.KindKey:
			about = e.Name + " " + e.About.Short()
		case ledger.KindExhaust:
			about = "budget of " + e.Name
		case ledger.KindRevoke, ledger.KindOfficers, ledger.KindRepair:
		default:
			return false
		}
		requester := ""
		if e.Requester != "" {
			requester = l.who(e.Requester)
		}
		t.row(at(e.AtMS), e.Kind, about, by, requester)
		return true
	})
}

func (l *ledgerText) refusals() error {
	t := newTable(l.w, "REFUSAL", "STAGE", "ABOUT", "REQUESTER", "CODE", "REASON")
	return l.list(t, func(e *ledger.Entry) bool {
		if e.Kind != ledger.KindRefusal {
			return false
		}
		about := "job " + e.Job.Short()
		if e.Job == "" {
			about = e.About.Short()
		}
		requester := ""
		if e.Requester != "" {
			requester = l.who(e.Requester)
		}
		t.row(at(e.AtMS), e.Stage, about, requester, e.Code, e.Reason)
		return true
	})
}

func newLedgerVerify() *cobra.Command {
	var f agentFlags
	var against string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Verify the whole chain of the ledger, from its file",
		Long: `Verify the whole chain of the ledger, from its file: no agent is needed, and one that
runs is not disturbed. A ledger restored from an older copy verifies too: --against
compares it with what this party signed for in the receipt bundle of a job that it
took part in, its own copy or anybody's ('cordon receipt export').

Exit codes: 0 whole, 2 usage, 3 no party in the folder, or no bundle with an
acknowledgement of this party, 4 damaged (the entry is named), or older than the
acknowledgement, 8 the file can't be read.`,
		Example: `  cordon ledger verify --home ./delta
  cordon ledger verify --home ./delta --against job.bundle.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, c, err := openHome(f.home)
			if err != nil {
				return err
			}
			entries, head, err := ledger.VerifyFile(dir.Ledger(), c.Fingerprint)
			if err != nil {
				return err
			}
			var signed *statement.Ack
			lost := false
			if against != "" {
				if signed, err = signedHead(against, c.Fingerprint); err != nil {
					return err
				}
				if lost = !ledger.Holds(entries, head, signed.Head); lost && !repairedSince(entries, signed.ClosedMS) {
					return behindFault(head, signed.Head)
				}
			}
			open := 0
			for _, x := range ledger.Exposures(entries) {
				if x.Open() {
					open++
				}
			}
			out := &struct {
				Entries       int          `json:"entries"`
				OpenExposures int          `json:"open_exposures"`
				Head          ledger.Head  `json:"head"`
				Against       *ledger.Head `json:"against,omitempty"` // held by the ledger
				Lost          bool         `json:"lost,omitempty"`    // what Against names was lost, and given up by a repair
			}{len(entries), open, head, nil, lost}
			if signed != nil {
				out.Against = &signed.Head
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			if _, err = fmt.Fprintf(cmd.OutOrStdout(), "ledger is whole: %d entries, %d open exposures, head %s\n", out.Entries, open, head.Digest); err != nil || signed == nil {
				return err
			}
			if lost {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "it lost entry %d, which this party signed for in the bundle, and was repaired since\n", signed.Head.Seq)
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "it holds entry %d, which this party signed for in the bundle\n", signed.Head.Seq)
			return err
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&against, "against", "", "receipt bundle with an acknowledgement of this party")
	return cmd
}

// signedHead is what a party signed about its ledger in a bundle. Nothing else of the bundle is relied on, and so nothing is verified.
func signedHead(path string, self statement.Fingerprint) (*statement.Ack, error) {
	src, err := readBounded(path, receipt.MaxBundle)
	if err != nil {
		return nil, fault.New(fault.Input, "can't read the bundle", "name a file made by 'cordon receipt export'", err)
	}
	b, err := receipt.Decode(src)
	if err != nil {
		return nil, verifyFault(err)
	}
	for i := range b.Acks {
		if a, err := statement.Verify[statement.Ack](&b.Acks[i], self); err == nil && a.Body().Owner == self {
			return a.Body(), nil
		}
	}
	return nil, fault.New(fault.Input, "the bundle has no acknowledgement signed by this party", "name the bundle of a job for which this party released keys, as an owner", nil)
}

// repairedSince reports whether the ledger was repaired after a time: then it accounts for all that was signed before.
func repairedSince(entries []ledger.Entry, ms int64) bool {
	for i := range entries {
		if entries[i].Kind == ledger.KindRepair && ms <= entries[i].AtMS {
			return true
		}
	}
	return false
}

func behindFault(head, signed ledger.Head) error {
	what := fmt.Sprintf("the ledger ends at entry %d, and this party signed for entry %d", head.Seq, signed.Seq)
	if signed.Seq <= head.Seq {
		what = fmt.Sprintf("entry %d of the ledger is not the one that this party signed for", signed.Seq)
	}
	return fault.New(fault.Untrusted, "the ledger is older than the bundle: "+what,
		"restore the newest copy of the ledger: with this one the agent releases nothing once it is told; if there is none, see 'cordon ledger repair'", nil)
}
