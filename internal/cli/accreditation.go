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

// NewAccreditationCommand makes `cordon accreditation` with its verbs.
func NewAccreditationCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "accreditation", Short: "Say who is a member, for owners whose rules ask"}
	cmd.AddCommand(newAccreditationIssue(), newAccreditationList(), newAccreditationRevoke())
	return cmd
}

func newAccreditationIssue() *cobra.Command {
	var f agentFlags
	var in api.AccreditationIssue
	var pins []string
	var until string
	cmd := &cobra.Command{
		Use:   "issue PARTY --scheme TEXT --until TIME",
		Short: "Say that a party is a member of what this party stands for",
		Long: `Say that a party is a member of what this party stands for. It counts for owners who name
this party in a rule of theirs, until it ends or is revoked. All parties of the exchange can
read it.

Exit codes: 0 done, 2 usage, 3 no such party, 7 agent or exchange do not answer.`,
		Example: `  cordon accreditation issue institute --scheme "Association of Airports" --until 365d`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if in.Scheme == "" || until == "" {
				return fault.New(fault.Usage, "no --scheme or no --until given", "an accreditation says what of, and how long", nil)
			}
			end, err := parseUntil(until, time.Now())
			if err != nil {
				return err
			}
			if in.Pins, err = parsePins(pins); err != nil {
				return err
			}
			in.Member, in.UntilMS = args[0], end.UnixMilli()
			return call(cmd, &f, api.PathAccredit, in, func(w io.Writer, a *api.Accreditation) error {
				_, err := fmt.Fprintf(w, "accredited %s (%s)\n  accreditation %s\n", a.Member.Name, a.Member.Fingerprint, a.Digest)
				return err
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&in.Scheme, "scheme", "", "what of, for people (required)")
	cmd.Flags().StringVar(&until, "until", "", "end: a date, or a time from now such as 365d (required)")
	cmd.Flags().StringArrayVar(&pins, "pin", nil, "NAME=FINGERPRINT of a party (repeatable)")
	return cmd
}

func newAccreditationList() *cobra.Command {
	var f agentFlags
	var in api.AccreditationList
	var pins []string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the accreditations in force",
		Long: `List the accreditations in force, of all or by one party.

Exit codes: 0 done, 2 usage, 3 no such party, 7 agent or exchange do not answer.`,
		Example: `  cordon accreditation list --by association`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if in.Pins, err = parsePins(pins); err != nil {
				return err
			}
			return call(cmd, &f, api.PathAccreditations, in, func(w io.Writer, l *api.Accreditations) error {
				t := newTable(w, "MEMBER", "FINGERPRINT", "ACCREDITED BY", "SCHEME", "UNTIL", "ACCREDITATION")
				for _, a := range l.Accreditations {
					t.row(a.Member.Name, string(a.Member.Fingerprint), a.Accreditor.Name, a.Scheme, at(a.UntilMS), string(a.Digest))
				}
				return t.end()
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&in.By, "by", "", "name or fingerprint of who accredits")
	cmd.Flags().StringArrayVar(&pins, "pin", nil, "NAME=FINGERPRINT of a party (repeatable)")
	return cmd
}

func newAccreditationRevoke() *cobra.Command {
	var reason string
	cmd := contractVerb("revoke ACCREDITATION", "Take back an accreditation of this party's",
		`Take back an accreditation of this party's. No rule grants a contract on it from then on,
and no key leaves under grants that rest on it.

Exit codes: 0 done, 2 usage, 3 nothing of this party's to revoke, 7 agent or exchange do not
answer.`,
		"cordon accreditation revoke sha256:… --reason \"left the association\"",
		func(cmd *cobra.Command, f *agentFlags, d statement.Digest) error {
			return call(cmd, f, api.PathAccreditRevoke, api.About{Digest: d, Reason: reason}, func(w io.Writer, r *api.Revoked) error {
				_, err := fmt.Fprintf(w, "revoked %s\n", r.Digests[0])
				return err
			})
		})
	cmd.Flags().StringVar(&reason, "reason", "", "text for those who read the revocation")
	return cmd
}
