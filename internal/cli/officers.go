package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/officers"
	"github.com/cordon-exchange/cordon/internal/party/publish"
	"github.com/cordon-exchange/cordon/statement"
)

const (
	officerFlag     = "officer"
	officerPassFlag = "officer-passphrase-file"
)

// addOfficers gives a verb that dual control can be required for the flags to approve it on the spot.
func addOfficers(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringArray(officerFlag, nil, "key file of an officer who approves this on the spot (repeatable)")
	cmd.Flags().StringArray(officerPassFlag, nil, "file with that officer's passphrase, in the order of --officer (repeatable)")
	return cmd
}

// withOfficers does something, and does it again if it waits for officers whose keys the command was given.
func withOfficers(cmd *cobra.Command, c *api.Client, do func() error) error {
	return withOfficersFor(cmd, c, 1, do)
}

// withOfficersFor is withOfficers of what can wait for several requests, one after the other. No more are approved than are known of.
func withOfficersFor(cmd *cobra.Command, c *api.Client, requests int, do func() error) error {
	files, err := cmd.Flags().GetStringArray(officerFlag)
	if err != nil || len(files) == 0 { // none: the verb may have no such flag
		return do()
	}
	var keys []*keyring.KeyFile
	for range requests {
		err := do()
		need := new(api.ApprovalNeeded)
		if !errors.As(err, &need) {
			return err
		}
		if keys == nil {
			if keys, err = officerKeys(cmd); err != nil {
				return err
			}
		}
		for _, k := range keys {
			if _, err := approveAt(cmd, c, need.Request, k); err != nil {
				return err
			}
		}
	}
	return do()
}

// officerKeys opens the files of the officers who are present.
func officerKeys(cmd *cobra.Command) ([]*keyring.KeyFile, error) {
	files, err := cmd.Flags().GetStringArray(officerFlag)
	if err != nil {
		return nil, err
	}
	passes, err := cmd.Flags().GetStringArray(officerPassFlag)
	if err != nil {
		return nil, err
	}
	if len(passes) > 0 && len(passes) != len(files) {
		return nil, fault.New(fault.Usage, "not one passphrase file for each officer", "give --"+officerPassFlag+" as often as --"+officerFlag+", in the same order", nil)
	}
	var out []*keyring.KeyFile
	for i, f := range files {
		pass := ""
		if len(passes) > 0 {
			pass = passes[i]
		}
		k, err := openOfficer(f, pass)
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, nil
}

func openOfficer(file, passFile string) (*keyring.KeyFile, error) {
	var pass keyring.Passphrase
	var err error
	if passFile != "" {
		pass, err = keyring.ReadPassphrase(passFile)
	} else {
		var typed []byte
		if typed, err = askPassphrase("passphrase of " + file + ": "); err == nil {
			pass, err = keyring.NewPassphrase(typed)
		}
	}
	if err != nil {
		return nil, err
	}
	return keyring.ReadKeyFile(file, keyring.UseOfficer, pass)
}

// waiting finds a request at the agent, and checks that its payload is what its digest names.
func waiting(cmd *cobra.Command, c *api.Client, d statement.Digest) (*api.Approval, error) {
	var all api.Approvals
	if err := c.Call(cmd.Context(), api.PathApprovals, api.Empty{}, &all); err != nil {
		return nil, err
	}
	for i := range all.Requests {
		if all.Requests[i].Request != d {
			continue
		}
		if statement.Sum(all.Requests[i].Payload) != d {
			return nil, fault.New(fault.Untrusted, "the agent shows another payload than the one that waits", "do not approve it", nil)
		}
		return &all.Requests[i], nil
	}
	return nil, fault.New(fault.Input, "nothing waits for approval under this digest", "see 'cordon approve list'", nil)
}

// sign makes an officer's approvals of a request: one for each list that asks and names the officer.
func signApprovals(r *api.Approval, party statement.Fingerprint, k *keyring.KeyFile) ([]*statement.Envelope, error) {
	var out []*statement.Envelope
	for _, ask := range r.Asks {
		if !slices.Contains(ask.Officers, k.Fingerprint()) {
			continue
		}
		e, err := statement.Sign(statement.Approval{
			Officer: k.Fingerprint(), Party: party, Action: r.Action, About: statement.Sum(r.Payload), Officers: ask.List, AtMS: time.Now().UnixMilli(),
		}, k.Signer())
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Refused, k.Name()+" is no officer whom this waits for", "see 'cordon party officers show'", nil)
	}
	return out, nil
}

func approveAt(cmd *cobra.Command, c *api.Client, d statement.Digest, k *keyring.KeyFile) (*api.Approval, error) {
	r, err := waiting(cmd, c, d)
	if err != nil {
		return nil, err
	}
	var s api.Status
	if err := c.Call(cmd.Context(), api.PathStatus, api.Empty{}, &s); err != nil {
		return nil, err
	}
	list, err := signApprovals(r, s.Fingerprint, k)
	if err != nil {
		return nil, err
	}
	var out api.Approval
	for _, e := range list {
		if err := c.Call(cmd.Context(), api.PathApprove, api.Approve{Envelope: *e}, &out); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

// NewApproveCommand makes `cordon approve` with its verbs.
func NewApproveCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "approve", Short: "Approve, as an officer, what a party is to sign"}
	cmd.AddCommand(newApproveList(), newApproveShow(), newApproveSign(), newApproveAdd())
	return cmd
}

func newApproveList() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List what waits for officers",
		Long: `List what waits for officers' approval, and who has approved it.

Exit codes: 0 done, 2 usage, 3 no party in the folder, 4 the list of officers is damaged,
7 the agent does not answer.`,
		Example: `  cordon approve list --home ./delta`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(cmd, &f, api.PathApprovals, api.Empty{}, func(w io.Writer, a *api.Approvals) error {
				t := newTable(w, "REQUEST", "WHAT", "SINCE", "NEEDS", "APPROVED BY")
				for _, r := range a.Requests {
					t.row(string(r.Request), r.Action, at(r.CreatedMS), fmt.Sprint(r.Need), strings.Join(r.Approved, ", "))
				}
				return t.end()
			})
		},
	}
	f.add(cmd)
	return cmd
}

func newApproveShow() *cobra.Command {
	var f agentFlags
	var out string
	cmd := &cobra.Command{
		Use:   "show REQUEST",
		Short: "Show exactly what would be signed",
		Long: `Show exactly what would be signed: the payload whose digest an officer approves. With
-o it is written to a file, for an officer elsewhere: 'cordon approve sign --request FILE'.

Exit codes: 0 done, 2 usage, 3 nothing waits under this digest, 4 the payload is another,
7 the agent does not answer, 8 the file can't be written.`,
		Example: `  cordon approve show sha256:… --home ./delta
  cordon approve show sha256:… --home ./delta -o request.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := parseDigest(args[0])
			if err != nil {
				return err
			}
			c, err := f.client()
			if err != nil {
				return err
			}
			r, err := waiting(cmd, c, d)
			if err != nil {
				return err
			}
			if out != "" {
				return writeRequest(cmd, c, r, out)
			}
			return show(cmd, &f, r, requestText)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVarP(&out, "output", "o", "", "write the request to this file")
	return cmd
}

// carried is a request on its way to an officer elsewhere.
type carried struct {
	Party   api.Party    `json:"party"`
	Request api.Approval `json:"request"`
}

func writeRequest(cmd *cobra.Command, c *api.Client, r *api.Approval, path string) error {
	var s api.Status
	if err := c.Call(cmd.Context(), api.PathStatus, api.Empty{}, &s); err != nil {
		return err
	}
	b, err := statement.Marshal(carried{Party: s.Party, Request: *r})
	if err != nil {
		return err
	}
	return writeWhole(path, func(f *os.File) error {
		_, err := f.Write(b)
		return err
	})
}

// requestText shows the payload itself, not what somebody says about it; a policy as it is written.
func requestText(w io.Writer, r *api.Approval) error {
	t := newTable(w)
	t.row("request", string(r.Request))
	t.row("what", r.Action)
	t.row("since", at(r.CreatedMS))
	t.row("approved", fmt.Sprintf("by %d of %d needed: %s", len(r.Approved), r.Need, strings.Join(r.Approved, ", ")))
	if err := t.end(); err != nil {
		return err
	}
	if r.Action == statement.ActionPolicy {
		var p publish.Publication
		if err := statement.Unmarshal(r.Payload, &p); err == nil {
			_, err := fmt.Fprintf(w, "\ndata set %s version %s, under this policy:\n\n%s\n", p.Dataset, p.Version, p.Policy)
			return errors.Join(err, writeTerms(w, p.Terms))
		}
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, r.Payload, "", "  "); err != nil {
		return fault.New(fault.Untrusted, "the payload can't be read", "do not approve it", err)
	}
	_, err := fmt.Fprintf(w, "\n%s\n", pretty.Bytes())
	return err
}

type signFlags struct {
	agentFlags
	request, out string
}

func newApproveSign() *cobra.Command {
	var f signFlags
	cmd := &cobra.Command{
		Use:   "sign REQUEST --officer FILE",
		Short: "Approve a request with an officer's key",
		Long: `Approve a request with an officer's key: exactly this payload, for this party, under the
list of officers that asks. Look at it first: 'cordon approve show'. With --request the
officer is elsewhere, and needs neither agent nor home: the approval goes into the -o file,
and whoever brings it back adds it with 'cordon approve add'.

Exit codes: 0 done, 2 usage, 3 nothing waits under this digest, 4 the payload is another,
5 unusable key file or passphrase, 6 not an officer whom it waits for, 7 the agent does
not answer, 8 the file can't be written.`,
		Example: `  cordon approve sign sha256:… --home ./delta --officer ./olga.officer
  cordon approve sign --request request.json --officer ./olga.officer -o approval.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return approveSign(cmd, f, args) },
	}
	f.add(cmd)
	addOfficers(cmd)
	cmd.Flags().StringVar(&f.request, "request", "", "file that 'cordon approve show -o' wrote, instead of a digest")
	cmd.Flags().StringVarP(&f.out, "output", "o", "", "file for the approvals, with --request")
	return cmd
}

func approveSign(cmd *cobra.Command, f signFlags, args []string) error {
	if (f.request == "") != (len(args) == 1) || (f.request == "") != (f.out == "") {
		return fault.New(fault.Usage, "neither a digest nor a --request with its -o, or both", "give one of them", nil)
	}
	keys, err := officerKeys(cmd)
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return fault.New(fault.Usage, "no officer given", "add --officer FILE", nil)
	}
	if f.request != "" {
		return signElsewhere(cmd, f, keys)
	}
	d, err := parseDigest(args[0])
	if err != nil {
		return err
	}
	c, err := f.client()
	if err != nil {
		return err
	}
	var last *api.Approval
	for _, k := range keys {
		if last, err = approveAt(cmd, c, d, k); err != nil {
			return err
		}
	}
	return show(cmd, &f.agentFlags, last, requestText)
}

// signElsewhere shows what it signs: there is no agent to ask.
func signElsewhere(cmd *cobra.Command, f signFlags, keys []*keyring.KeyFile) error {
	src, err := os.ReadFile(f.request)
	if err != nil {
		return fault.New(fault.Input, "can't read the request", "check --request", err)
	}
	var in carried
	if err := statement.Unmarshal(src, &in); err != nil || statement.Sum(in.Request.Payload) != in.Request.Request {
		return fault.New(fault.Untrusted, "this is no request, or its payload is another", "do not approve it; have it written again", err)
	}
	var out []statement.Envelope
	for _, k := range keys {
		list, err := signApprovals(&in.Request, in.Party.Fingerprint, k)
		if err != nil {
			return err
		}
		for _, e := range list {
			out = append(out, *e)
		}
	}
	b, err := statement.Marshal(out)
	if err != nil {
		return err
	}
	err = writeWhole(f.out, func(f *os.File) error {
		_, err := f.Write(b)
		return err
	})
	if err != nil {
		return err
	}
	return show(cmd, &f.agentFlags, &in.Request, requestText)
}

func newApproveAdd() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "add FILE",
		Short: "Add approvals that an officer made elsewhere",
		Long: `Add approvals that an officer made elsewhere with 'cordon approve sign --request'.

Exit codes: 0 done, 2 usage, 3 nothing waits for it, 4 not an officer's signature, 6 it
does not count, 7 the agent does not answer.`,
		Example: `  cordon approve add approval.json --home ./delta`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			src, err := os.ReadFile(args[0])
			if err != nil {
				return fault.New(fault.Input, "can't read the approvals", "check the file's name", err)
			}
			var list []statement.Envelope
			if err := statement.Unmarshal(src, &list); err != nil || len(list) == 0 {
				return fault.New(fault.Input, "the file holds no approvals", "have it written again", err)
			}
			for _, e := range list[:len(list)-1] {
				c, err := f.client()
				if err != nil {
					return err
				}
				if err := c.Call(cmd.Context(), api.PathApprove, api.Approve{Envelope: e}, new(api.Approval)); err != nil {
					return err
				}
			}
			return call(cmd, &f, api.PathApprove, api.Approve{Envelope: list[len(list)-1]}, requestText)
		},
	}
	f.add(cmd)
	return cmd
}

func newPartyOfficers() *cobra.Command {
	cmd := &cobra.Command{Use: "officers", Short: "Who must approve what the party signs"}
	cmd.AddCommand(newOfficersNew(), newOfficersSet(), newOfficersShow())
	return cmd
}

func newOfficersNew() *cobra.Command {
	var name, passFile, generate, out string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "new --name NAME -o FILE",
		Short: "Make an officer's key, in a file that a passphrase protects",
		Long: `Make an officer's key, in a file that a passphrase protects. Each officer makes its own,
keeps it, and tells its fingerprint. It needs no party and no agent.

Exit codes: 0 done, 2 usage, 5 unusable passphrase, 8 the file can't be written.`,
		Example: `  cordon party officers new --name olga -o ./olga.officer`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return fault.New(fault.Usage, "no file given", "add -o FILE", nil)
			}
			k, err := keyring.NewKeyFile(keyring.UseOfficer, name)
			if err != nil {
				return err
			}
			pass, err := newPassphrase(initFlags{passphraseFile: passFile, generatePassphrase: generate})
			if err != nil {
				return err
			}
			if err := k.Write(out, pass); err != nil {
				return err
			}
			info := &officers.Officer{Name: name, Fingerprint: k.Fingerprint()}
			return show(cmd, &agentFlags{json: asJSON}, info, func(w io.Writer, o *officers.Officer) error {
				_, err := fmt.Fprintf(w, "officer      %s\nfingerprint  %s\n", o.Name, o.Fingerprint)
				return err
			})
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&name, "name", "", "name of the officer: lower-case letters, digits and _ (required)")
	fl.StringVarP(&out, "output", "o", "", "new file for the key (required)")
	fl.StringVar(&passFile, "passphrase-file", "", "read the passphrase from a file instead of the terminal")
	fl.StringVar(&generate, "generate-passphrase", "", "make a random passphrase and write it to a new file")
	fl.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newOfficersSet() *cobra.Command {
	var f agentFlags
	var list, require []string
	var threshold int64
	var none bool
	cmd := &cobra.Command{
		Use:   "set --member NAME=FINGERPRINT... --threshold N --require ACTION,...",
		Short: "Require officers' approval, or others'",
		Long: `Require that a number of officers approve, each with its own key, exactly what the party
is to sign: grants by hand (grant), offers with their policies and standing rules (policy),
pools (pool), certificates of signing keys and what is done to the keys of data sets (key),
going on with a ledger that lost entries (ledger). The officers of the list in force must approve a change of it, and those of the
new list too: that shows that they have their keys. --none ends dual control.

Without the officers' keys on the spot it is kept as a request: 'cordon approve list'.

Exit codes: 0 done, 2 usage, 4 the list of officers is damaged, 5 unusable key file,
6 not enough officers have approved, 7 the agent does not answer.`,
		Example: `  cordon party officers set --home ./delta --member olga=cordon1… --member omar=cordon1… --threshold 2 \
    --require grant,policy,pool,key --officer ./olga.officer --officer ./omar.officer`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if none == (len(list) > 0) {
				return fault.New(fault.Usage, "no officers given, or --none and officers", "give --member for each, or --none", nil)
			}
			in := api.OfficersSet{Threshold: threshold, Officers: []officers.Officer{}, Actions: append([]string{}, require...)}
			if none {
				in.Threshold = 0
			}
			for _, text := range list {
				name, fp, ok := strings.Cut(text, "=")
				if !ok || !statement.Fingerprint(fp).Valid() {
					return fault.New(fault.Usage, "not an officer: "+text, "write NAME=FINGERPRINT", nil)
				}
				in.Officers = append(in.Officers, officers.Officer{Name: name, Fingerprint: statement.Fingerprint(fp)})
			}
			return call(cmd, &f, api.PathOfficersSet, in, officersText)
		},
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.StringArrayVar(&list, "member", nil, "NAME=FINGERPRINT of an officer (repeatable)")
	fl.Int64Var(&threshold, "threshold", 2, "how many of them must approve, at least two")
	fl.StringSliceVar(&require, "require", nil, "what needs them: "+strings.Join(officers.Choices(), ", "))
	fl.BoolVar(&none, "none", false, "require nobody any more")
	return addOfficers(cmd)
}

func newOfficersShow() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show who must approve what",
		Long: `Show the list of officers in force, and what needs them.

Exit codes: 0 done, 2 usage, 3 no party in the folder, 4 the list is damaged, 7 the agent
does not answer.`,
		Example: `  cordon party officers show --home ./delta`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(cmd, &f, api.PathOfficers, api.Empty{}, officersText)
		},
	}
	f.add(cmd)
	return cmd
}

func officersText(w io.Writer, o *api.Officers) error {
	t := newTable(w)
	if len(o.Officers) == 0 {
		t.row("officers", "none: one person can sign everything")
		return t.end()
	}
	t.row("list", fmt.Sprint(o.Number), string(o.List))
	t.row("required", fmt.Sprintf("%d of %d, for %s", o.Threshold, len(o.Officers), strings.Join(o.Actions, ", ")))
	for _, x := range o.Officers {
		t.row("officer", x.Name, string(x.Fingerprint))
	}
	return t.end()
}
