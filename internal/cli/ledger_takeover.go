package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/heads"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

type takeoverFlags struct {
	home, confirm string
	against       []string
	json          bool
}

func newLedgerTakeover() *cobra.Command {
	var f takeoverFlags
	cmd := &cobra.Command{
		Use:   "takeover --home DIR --confirm NAME",
		Short: "Take the ledger from an agent that is dead or out of reach",
		Long: `Take the ledger from an agent that did not give it back: its machine died, hangs or is out of
reach. A home has one writer at a time; an agent that is stopped gives the ledger back, and
one on another machine that shares the folder can start then. One that did not is never
replaced by itself, however long it was silent.

From the moment this returns the other agent can't write any more, should it come back: what
it reported is in the ledger, and it reports nothing else. The ledger must hold every head
that this party is known to have signed for: in this home, and in bundles given by --against; for one that lost entries see
'cordon ledger repair --takeover'. A home restored on another machine needs a takeover too.
Then start the agent here. It needs a folder whose names are seen by all machines at once
(see the ledger's specification, section 8); copies of a home are no such folder.

Exit codes: 0 done, 2 usage or somebody else takes it over, 3 no party in the folder, or an
unusable bundle, 4 the ledger is damaged, or older than what was signed for, 8 the home can't
be written.`,
		Example: `  cordon ledger takeover --home /shared/delta --confirm delta`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return ledgerTakeover(cmd, f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.home, "home", os.Getenv("CORDON_HOME"), "home folder of the party; default $CORDON_HOME")
	fl.StringVar(&f.confirm, "confirm", "", "name of the party, as consent (required)")
	fl.StringArrayVar(&f.against, "against", nil, "receipt bundle with an acknowledgement of this party (repeatable)")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

func ledgerTakeover(cmd *cobra.Command, f takeoverFlags) error {
	dir, c, err := openHome(f.home)
	if err != nil {
		return err
	}
	if f.confirm != c.Name {
		return fault.New(fault.Usage, "not confirmed", "if the other agent is dead or out of reach, add --confirm with the party's name", nil)
	}
	known, err := ownHeads(dir, c.Fingerprint, f.against)
	if err != nil {
		return err
	}
	head, err := ledger.Takeover(dir.Ledger(), c.Fingerprint, func(entries []ledger.Entry, head ledger.Head) error {
		for _, a := range known {
			if !ledger.Holds(entries, head, a.Head) && !repairedSince(entries, a.ClosedMS) {
				return behindFault(head, a.Head)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := dir.BreakLock(); err != nil {
		return err
	}
	return show(cmd, &agentFlags{json: f.json}, &head, func(w io.Writer, h *ledger.Head) error {
		_, err := fmt.Fprintf(w, "taken over: %d entries, head %s\nstart the agent here: 'cordon party serve'\n", h.Seq, h.Digest)
		return err
	})
}

// ownHeads are all acknowledgements of this party that are at hand.
func ownHeads(dir home.Dir, self statement.Fingerprint, bundles []string) ([]*statement.Ack, error) {
	var out []*statement.Ack
	store := heads.Open(dir.Heads())
	for _, a := range []heads.Ack{store.Newest(self), store.Missing(self)} {
		if a != nil {
			out = append(out, a.Body())
		}
	}
	for _, path := range bundles {
		a, err := signedHead(path, self)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}
