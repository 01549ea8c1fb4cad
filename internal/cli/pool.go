package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/statement"
)

// NewPoolCommand makes `cordon pool` with its verbs.
func NewPoolCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "pool", Short: "Form pools: unions of the members' data sets"}
	cmd.AddCommand(newPoolPropose(), newPoolSign(), newPoolList(), newPoolShow())
	return cmd
}

func newPoolPropose() *cobra.Command {
	var f agentFlags
	var in api.PoolPropose
	var pins []string
	cmd := &cobra.Command{
		Use:   "propose NAME --member PARTY.DATASET ...",
		Short: "Propose the next epoch of a pool, as its first signer",
		Long: `Propose the next epoch of a pool: the newest version of each member's data set, of one
schema. The pool exists once all members have signed. Each compares it with all epochs
that it ever signed and that the exchange shows: the versions that left, that came and
that stayed must each be of as many contributors as its policy asks for, or of none;
otherwise sums and differences of answers would show fewer members.

Names are resolved by the exchange, and their fingerprints printed; --pin fixes them.

Exit codes: 0 done, 2 usage, 3 no such data set, 4 something does not verify, 6 refused
by this party's own policy, 7 agent or exchange do not answer.`,
		Example: `  cordon pool propose strikes --member delta.strikes --member united.strikes --member jetblue.strikes`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if in.Pins, err = parsePins(pins); err != nil {
				return err
			}
			in.Name = args[0]
			if !statement.ValidName(in.Name) || len(in.Members) < 2 {
				return fault.New(fault.Usage, "a pool has a name and at least two members", "give --member PARTY.DATASET for each", nil)
			}
			return call(cmd, &f, api.PathPoolPropose, in, poolText)
		},
	}
	f.add(cmd)
	cmd.Flags().StringArrayVar(&in.Members, "member", nil, "PARTY.DATASET, with an optional @DIGEST of the offer (repeatable)")
	cmd.Flags().StringArrayVar(&pins, "pin", nil, "NAME=FINGERPRINT of a member (repeatable)")
	return addOfficers(cmd)
}

func poolText(w io.Writer, p *api.Pool) error {
	fmt.Fprintf(w, "pool.%s epoch %d\n  digest   %s\n", p.Name, p.Epoch, p.Digest)
	t := newTable(w, "  MEMBER", "SIGNED", "FINGERPRINT", "OFFER")
	for _, m := range p.Members {
		signed := "no"
		if m.Signed {
			signed = "yes"
		}
		t.row("  "+m.Name, signed, string(m.Fingerprint), m.Offer.Short())
	}
	if err := t.end(); err != nil {
		return err
	}
	state := "complete"
	if len(p.Missing) > 0 {
		state = "waits for " + names(p.Missing)
	}
	_, err := fmt.Fprintln(w, "  "+state)
	return err
}

func newPoolSign() *cobra.Command {
	var f agentFlags
	var digest string
	cmd := &cobra.Command{
		Use:     "sign [NAME]",
		Aliases: []string{"join"},
		Short:   "Sign a proposed epoch as one of its members",
		Long: `Sign a proposed epoch as one of its members, after the same checks as for proposing:
own offer, one schema, and what its answers show beside those of other epochs.

Exit codes: 0 done, 2 usage, 3 no such proposal, 4 something does not verify, 6 refused
by this party's own policy, 7 agent or exchange do not answer.`,
		Example: `  cordon pool sign strikes
  cordon pool join --digest sha256:…`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := api.PoolSign{Digest: statement.Digest(digest)}
			if len(args) == 1 {
				in.Name = args[0]
			}
			if digest != "" && !in.Digest.Valid() || digest == "" && in.Name == "" || in.Name != "" && !statement.ValidName(in.Name) {
				return fault.New(fault.Usage, "which pool?", "give its name, or --digest", nil)
			}
			return call(cmd, &f, api.PathPoolSign, in, poolText)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&digest, "digest", "", "digest of the proposal, where a name has several")
	return addOfficers(cmd)
}

func newPoolList() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List pools, and proposals that wait for this party",
		Long: `List pools that all members signed, and proposals that wait for signatures and have
this party among their members.

Exit codes: 0 done, 2 usage, 7 agent or exchange do not answer.`,
		Example: `  cordon pool list`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(cmd, &f, api.PathPools, api.PoolList{}, func(w io.Writer, l *api.Pools) error {
				t := newTable(w, "POOL", "EPOCH", "MEMBERS", "STATE", "DIGEST")
				for _, p := range l.Pools {
					state := "complete"
					if len(p.Missing) > 0 {
						state = "waits for " + number(int64(len(p.Missing)))
					}
					t.row("pool."+p.Name, number(p.Epoch), number(int64(len(p.Members))), state, string(p.Digest))
				}
				return t.end()
			})
		},
	}
	f.add(cmd)
	return cmd
}

func newPoolShow() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show the epochs of a pool: members, and who has signed",
		Long: `Show the epochs of a pool: members, and who has signed.

Exit codes: 0 done, 2 usage, 3 no such pool, 7 agent or exchange do not answer.`,
		Example: `  cordon pool show strikes`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !statement.ValidName(args[0]) {
				return fault.New(fault.Usage, fmt.Sprintf("not a name of a pool: %q", args[0]), "give its name without pool. before it: 'cordon pool list' shows them", nil)
			}
			return call(cmd, &f, api.PathPools, api.PoolList{Name: args[0]}, func(w io.Writer, l *api.Pools) error {
				if len(l.Pools) == 0 {
					return fault.New(fault.Input, "no pool is named "+args[0], "see 'cordon pool list'", nil)
				}
				for i := range l.Pools {
					if err := poolText(w, &l.Pools[i]); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	f.add(cmd)
	return cmd
}
