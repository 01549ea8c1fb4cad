package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/heads"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/officers"
	"github.com/cordon-exchange/cordon/internal/party/repair"
	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/statement"
)

type repairFlags struct {
	home, reason, confirm string
	from, datasets        []string
	takeover, json        bool
}

func newLedgerRepair() *cobra.Command {
	var f repairFlags
	cmd := &cobra.Command{
		Use:   "repair --home DIR --from BUNDLE... --reason TEXT --confirm NAME",
		Short: "Go on with a ledger that lost entries, giving up what they may have said",
		Long: `Go on with a ledger that was restored from an old copy, where no newer one is left. If there
is a newer copy, restore it: this command can't bring anything back.

What receipt bundles prove is entered again: this party's releases and what closed them.
Everything else that lost entries may have said counts as said from then on, for good:
the privacy budget of every data set known here is spent; quotas are used up until their
period has passed; no grant from before is in force, and standing rules grant no more:
grant by hand; jobs from before are refused. Data sets known to nobody here any more have
to be named with --dataset.

The agent must not run. Officers have to approve it where the party's list requires them
for the ledger. --confirm takes the party's name: type it yourself.

Exit codes: 0 done, 2 usage, nothing is missing, or the agent runs, 3 a bundle can't be used,
4 the ledger is damaged, or the clock is behind, 5 unusable officer's key, 6 officers have to
approve, 8 the home can't be written.`,
		Example: `  cordon ledger repair --home ./delta --from job.bundle.json --reason 'disk lost, backup of May' --confirm delta`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return ledgerRepair(cmd, f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.home, "home", os.Getenv("CORDON_HOME"), "home folder of the party; default $CORDON_HOME")
	fl.StringArrayVar(&f.from, "from", nil, "receipt bundle with an acknowledgement of this party (repeatable)")
	fl.StringArrayVar(&f.datasets, "dataset", nil, "data set that this home does not know any more (repeatable)")
	fl.StringVar(&f.reason, "reason", "", "what happened, for the record (required)")
	fl.StringVar(&f.confirm, "confirm", "", "name of the party, as consent (required)")
	fl.BoolVar(&f.takeover, "takeover", false, "the agent of another machine that has the ledger is dead or out of reach: take it over first")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	return addOfficers(cmd)
}

func ledgerRepair(cmd *cobra.Command, f repairFlags) error {
	dir, c, err := openHome(f.home)
	if err != nil {
		return err
	}
	if f.reason == "" || f.confirm != c.Name {
		return fault.New(fault.Usage, "no reason given, or not confirmed", "budgets are given up for good: add --reason TEXT and --confirm with the party's name", nil)
	}
	for _, d := range f.datasets {
		if !statement.ValidName(d) {
			return fault.New(fault.Usage, "not a name of a data set: "+d, "give lower-case letters, digits and _", nil)
		}
	}
	release, err := dir.Lock()
	if err != nil {
		return err
	}
	defer release()
	if f.takeover { // 'ledger takeover' would refuse a ledger that lacks entries
		if _, err := ledger.Takeover(dir.Ledger(), c.Fingerprint, func([]ledger.Entry, ledger.Head) error { return nil }); err != nil {
			return err
		}
	}
	l, err := ledger.Open(dir.Ledger(), c.Fingerprint, time.Now)
	if err != nil {
		return err
	}
	defer l.Close()
	o := repair.Options{
		Home: dir, Ledger: l, Heads: heads.Open(dir.Heads()), Self: c.Fingerprint, Datasets: f.datasets, Reason: f.reason, Now: time.Now,
	}
	for _, path := range f.from {
		b, err := readBundle(path)
		if err != nil {
			return err
		}
		o.Bundles = append(o.Bundles, b)
	}
	return repairWith(cmd, f, o)
}

func readBundle(path string) (*receipt.Bundle, error) {
	src, err := readBounded(path, receipt.MaxBundle)
	if err != nil {
		return nil, fault.New(fault.Input, "can't read the bundle", "name a file made by 'cordon receipt export'", err)
	}
	b, err := receipt.Decode(src)
	if err != nil {
		return nil, verifyFault(err)
	}
	return b, nil
}

func repairWith(cmd *cobra.Command, f repairFlags, o repair.Options) error {
	p, err := repair.New(o)
	if err != nil {
		return err
	}
	g := &officers.Gate{Home: o.Home, Ledger: o.Ledger, Self: o.Self, Now: o.Now}
	if err := g.Recover(cmd.Context()); err != nil {
		return err
	}
	err = officersHere(cmd, g, "the officers have to be here: add --officer FILE for each", func() error {
		return g.Require(cmd.Context(), statement.ActionLedger, p.Payload)
	})
	if err != nil {
		return err
	}
	if err := p.Apply(cmd.Context(), o); err != nil {
		return err
	}
	out := &repairInfo{
		Record: p.Digest(), Found: p.Record.Head, Missing: len(p.Record.Acks), Imported: len(p.Imported), Datasets: p.Record.Datasets, Head: o.Ledger.Head(),
	}
	return show(cmd, &agentFlags{json: f.json}, out, repairText)
}

type repairInfo struct {
	Record   statement.Digest `json:"record"`
	Found    ledger.Head      `json:"found"`
	Missing  int              `json:"missing"`  // acknowledgements whose heads the ledger lacked
	Imported int              `json:"imported"` // entries
	Datasets []string         `json:"datasets"` // whose budgets are given up
	Head     ledger.Head      `json:"head"`
}

func repairText(w io.Writer, r *repairInfo) error {
	t := newTable(w)
	t.row("found", fmt.Sprintf("%d entries, and %d acknowledgements of entries that are lost", r.Found.Seq, r.Missing))
	t.row("entered again", fmt.Sprintf("%d entries that bundles prove", r.Imported))
	for _, d := range r.Datasets {
		t.row("budget given up", d)
	}
	t.row("grants", "none from before is in force: grant again by hand; quotas count as used up")
	t.row("record", string(r.Record))
	t.row("ledger", fmt.Sprintf("%d entries, head %s", r.Head.Seq, r.Head.Digest))
	return t.end()
}
