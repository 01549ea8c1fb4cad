package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/statement"
)

func newContractCounter() *cobra.Command {
	var f agentFlags
	var in api.ContractCounter
	var offers, builds, pins []string
	var until string
	cmd := &cobra.Command{
		Use:   "counter CONTRACT",
		Short: "Say what would be granted instead of a contract",
		Long: `Say what this party would grant instead of a contract: what no flag names stays as it is.
The requester sees it, and proposes a new contract with 'contract propose --accept'. A
counter grants nothing: the new contract is granted as any other. Other prices are those
of another version of the data set: publish it with its terms, and give its --offer.

Exit codes: 0 done, 2 usage, 3 no such contract, 6 it names no data of this party or was
rejected, 7 agent or exchange do not answer.`,
		Example: `  cordon contract counter sha256:… --purpose safety --until 30d --reason "not for benchmarking"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if in.Contract, err = parseDigest(args[0]); err != nil {
				return err
			}
			if in.Offers, err = parseDigests(offers); err != nil {
				return err
			}
			if in.Builds, err = parseDigests(builds); err != nil {
				return err
			}
			if in.Pins, err = parsePins(pins); err != nil {
				return err
			}
			if until != "" {
				end, err := parseUntil(until, time.Now())
				if err != nil {
					return err
				}
				in.UntilMS = end.UnixMilli()
			}
			return call(cmd, &f, api.PathContractCounter, in, func(w io.Writer, n *api.Counter) error {
				_, err := fmt.Fprintf(w, "countered %s\n  counter %s\n", n.Terms.Contract, n.Digest)
				return err
			})
		},
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.StringArrayVar(&offers, "offer", nil, "digest of this party's offer, in place of that of the same data set (repeatable)")
	fl.StringVar(&in.Purpose, "purpose", "", "what the results may be for")
	fl.StringArrayVar(&in.Recipients, "recipient", nil, "who may receive results (repeatable)")
	fl.StringArrayVar(&builds, "build", nil, "digest of an enclave build (repeatable)")
	fl.StringArrayVar(&in.Operators, "operator", nil, "operator of hosts (repeatable)")
	fl.StringVar(&until, "until", "", "end: a date, or a time from now such as 30d")
	fl.StringVar(&in.Reason, "reason", "", "text for the requester")
	fl.StringArrayVar(&pins, "pin", nil, "NAME=FINGERPRINT of a party (repeatable)")
	return cmd
}

func parseDigests(texts []string) (out []statement.Digest, err error) {
	for _, t := range texts {
		d, err := parseDigest(t)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

func newContractReject() *cobra.Command {
	var reason string
	cmd := contractVerb("reject CONTRACT --reason TEXT", "Say no to a contract, for good",
		`Say no to a contract, for good: this party can't grant it any more, by hand or by rule.
The requester reads the reason, and may propose another contract.

Exit codes: 0 done, 2 usage, or it was granted: revoke it, 3 no such contract, 6 it names
no data of this party, 7 agent or exchange do not answer; it holds here then, and the same
command posts it.`,
		"cordon contract reject sha256:… --reason \"not for this purpose\"",
		func(cmd *cobra.Command, f *agentFlags, d statement.Digest) error {
			if reason == "" {
				return fault.New(fault.Usage, "no reason given", "give --reason: the requester reads it", nil)
			}
			return call(cmd, f, api.PathContractReject, api.About{Digest: d, Reason: reason}, contractText)
		})
	cmd.Flags().StringVar(&reason, "reason", "", "text for the requester (required)")
	return cmd
}

// NewApprovalsCommand makes `cordon approvals`.
func NewApprovalsCommand() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "approvals",
		Short: "List what waits for this party, why, and the command that answers",
		Long: `List what waits for this party: contracts over its data that it did not answer, counters
to its own contracts, epochs of pools that it has not signed, and what its officers have to
approve. 'cordon approve' is how an officer approves the last of these.

Exit codes: 0 done, 2 usage, 7 agent or exchange do not answer.`,
		Example: `  cordon approvals
  cordon approvals --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(cmd, &f, api.PathWaiting, api.Empty{}, func(w io.Writer, l *api.Waiting) error {
				for _, i := range l.Items {
					from := ""
					if i.From != nil {
						from = " of " + i.From.Name
					}
					if _, err := fmt.Fprintf(w, "%s%s\n  why     %s\n  answer  %s\n", i.Kind, from, i.Why, i.Command); err != nil {
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
