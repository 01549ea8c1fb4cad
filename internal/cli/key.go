package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/custody"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/officers"
)

// NewKeyCommand makes `cordon key` with its verbs.
func NewKeyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "key", Short: "Care for the keys of data sets: list, rotate, move, destroy, back up, recover"}
	cmd.AddCommand(newKeyList(), newKeyRotate(), newKeyMove(), newKeyDestroy(), newKeyBackup(), newKeyCustodian(), newKeyShare(), newKeyRecover())
	return cmd
}

func newKeyList() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List key encryption keys, and what they wrap",
		Long: `List the key store, its key encryption keys, and for each version of each data set
which of them wraps its key, and whether it opens. No key is shown.

Exit codes: 0 done, 2 usage, 3 no party in the folder, 5 a keys file is damaged, 7 the
agent does not answer.`,
		Example: `  cordon key list --home ./delta`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(cmd, &f, api.PathKeys, api.Empty{}, writeKeys)
		},
	}
	f.add(cmd)
	return cmd
}

func writeKeys(w io.Writer, k *api.Keys) error {
	fmt.Fprintf(w, "key store  %s\n", k.Store)
	if k.Before != "" {
		fmt.Fprintf(w, "moving from  %s  (finish with 'cordon key move --to' the key store above)\n", k.Before)
	}
	if k.Error != "" {
		fmt.Fprintf(w, "error: %s\nhint: %s\n", k.Error, k.Hint)
	}
	t := newTable(w, "KEY ENCRYPTION KEY", "STATE", "VERSIONS")
	for _, e := range k.KEKs {
		state := "old"
		if e.Wraps {
			state = "wraps"
		}
		t.row(e.ID, state, number(e.Versions))
	}
	if err := t.end(); err != nil {
		return err
	}
	t = newTable(w, "DATA SET", "VERSION", "WRAPPED BY", "STATE", "WHY")
	for _, v := range k.Versions {
		t.row(v.Dataset, v.Version, v.KEK, v.State, v.Why)
	}
	if err := t.end(); err != nil {
		return err
	}
	for _, b := range k.Backups {
		fmt.Fprintf(w, "backup  %s\n", b)
	}
	return nil
}

// offlineFlags are those of verbs that change the keyring: they need the passphrase, and the home folder for themselves.
type offlineFlags struct {
	home, passphraseFile string
	json                 bool
}

func (f *offlineFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.home, "home", os.Getenv("CORDON_HOME"), "home folder of the party; default $CORDON_HOME")
	fl.StringVar(&f.passphraseFile, "passphrase-file", "", "read the passphrase from a file instead of the terminal")
	fl.BoolVar(&f.json, "json", false, "print JSON")
}

func (f *offlineFlags) open() (*closedHome, error) { return openClosed(f.home, f.passphraseFile) }

func (h *closedHome) keys(cmd *cobra.Command) *custody.Keys {
	return &custody.Keys{
		Home: h.dir, Set: custody.Options{Ring: h.ring, Save: h.save},
		Tell: func(s string) error {
			_, err := fmt.Fprintln(cmd.ErrOrStderr(), s)
			return err
		},
		Approve: func(_ context.Context, op officers.KeyOperation) error { return h.approvedOperation(cmd, op) },
	}
}

// approvedOperation holds an operation on keys to dual control, and records that it begins. A list of officers that a ledger from an old
// copy has forgotten is in force again first.
func (h *closedHome) approvedOperation(cmd *cobra.Command, op officers.KeyOperation) error {
	self := h.ring.Fingerprint()
	l, err := ledger.Open(h.dir.Ledger(), self, time.Now)
	if err != nil {
		return err
	}
	defer l.Close()
	g := &officers.Gate{Home: h.dir, Ledger: l, Self: self, Now: time.Now}
	if err := g.Recover(cmd.Context()); err != nil {
		return err
	}
	return officersHere(cmd, g, "add --officer FILE for each; or start the agent, have officers look at it and approve it with "+
		"'cordon approve', stop the agent, and give the same command again", func() error { return g.Operate(cmd.Context(), op) })
}

func changeKeys(cmd *cobra.Command, f *offlineFlags, change func(context.Context, *custody.Keys) (*custody.Report, error)) error {
	p, err := f.open()
	if err != nil {
		return err
	}
	defer p.release()
	r, err := change(cmd.Context(), p.keys(cmd))
	if err != nil {
		return err
	}
	return show(cmd, &agentFlags{json: f.json}, r, writeReport)
}

func writeReport(w io.Writer, r *custody.Report) error {
	fmt.Fprintf(w, "%d version keys wrapped anew\n  key store  %s\n  by         %s\n", r.Versions, r.Store, r.KEK)
	for _, id := range r.Destroyed {
		fmt.Fprintf(w, "  destroyed  %s\n", id)
	}
	for _, id := range r.Old {
		fmt.Fprintf(w, "  old, kept  %s\n", id)
	}
	return writeNotes(w, r.Notes)
}

func newKeyRotate() *cobra.Command {
	var f offlineFlags
	var destroyOld bool
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Make a new key encryption key, and wrap all version keys under it",
		Long: `Make a new key encryption key and wrap the keys of all versions under it. Data is not
encrypted anew. The agent must be stopped. Ended anywhere, all versions still open, and
the command can be run again. The old key stays until --destroy-old, which destroys all
that wrap nothing any more: then copies of keys files from before open nothing.

In Vault or a cloud's KMS, first make a new version of the key there: this wraps all
version keys under it.

Exit codes: 0 done, 2 usage or the agent runs, 3 damaged keyring, 4 an offer was tampered
with, 5 wrong passphrase or PIN, or a version does not open, 6 officers have to approve,
7 the key store does not answer, 8 home can't be written.`,
		Example: `  cordon key rotate --home ./delta --passphrase-file ./delta.pass
  cordon key rotate --home ./delta --passphrase-file ./delta.pass --destroy-old`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return changeKeys(cmd, &f, func(ctx context.Context, k *custody.Keys) (*custody.Report, error) { return k.Rotate(ctx, destroyOld) })
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&destroyOld, "destroy-old", false, "destroy the key encryption keys that wrap nothing any more")
	return addOfficers(cmd)
}

func newKeyMove() *cobra.Command {
	var f offlineFlags
	var to string
	var destroyOld bool
	cmd := &cobra.Command{
		Use:   "move --to STORE",
		Short: "Have another key store wrap all version keys",
		Long: `Have another key store wrap the keys of all versions: local, or a URI as of 'cordon party
init --key-store'. The agent must be stopped. Ended anywhere, all versions still open,
the agent uses both stores, and the command can be run again. --destroy-old destroys the
keys of the store before.

Exit codes: 0 done, 2 usage or the agent runs, 3 damaged keyring or the module does not
load, 4 an offer was tampered with, 5 wrong passphrase or PIN, or a version does not open,
6 officers have to approve, 7 a key store does not answer, 8 home can't be written.`,
		Example: `  cordon key move --home ./delta --passphrase-file ./delta.pass \
    --to 'pkcs11:token=delta;object=cordon?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=/etc/delta.pin'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if to == "" {
				return fault.New(fault.Usage, "no key store given", "add --to local, or a URI", nil)
			}
			return changeKeys(cmd, &f, func(ctx context.Context, k *custody.Keys) (*custody.Report, error) {
				return k.Move(ctx, to, destroyOld)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&to, "to", "", "the key store that wraps from now on (required)")
	cmd.Flags().BoolVar(&destroyOld, "destroy-old", false, "destroy the key encryption keys of the store before")
	return addOfficers(cmd)
}

func newKeyDestroy() *cobra.Command {
	var f agentFlags
	var yes bool
	cmd := &cobra.Command{
		Use:   "destroy DATASET VERSION",
		Short: "Destroy the keys of a version, for good",
		Long: `Destroy the keys of a version: all wrapped keys, and with them the version key. The
version is retired first, the ledger records it, and nothing opens its data any more; a
job over it is refused (keys-destroyed). What could undo it is listed: copies of the home
folder, backups with their custodians. The files are overwritten and removed, which does
not promise that a solid-state drive forgets them: after 'cordon key rotate --destroy-old'
what it kept opens nothing.

It asks for the name of the version to be typed, unless --yes is given.

Exit codes: 0 done, 2 usage or not confirmed, 3 no such version, 6 officers have to approve,
7 the agent does not answer, 8 home can't be written.`,
		Example: `  cordon key destroy strikes 1 --home ./delta
  cordon key destroy strikes 1 --home ./delta --yes --json`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := api.KeyDestroy{Name: args[0], Version: args[1]}
			if !yes {
				if err := confirmed(cmd.ErrOrStderr(), in.Name+" "+in.Version); err != nil {
					return err
				}
			}
			return call(cmd, &f, api.PathKeyDestroy, in, writeDestroyed)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return addOfficers(cmd)
}

func writeDestroyed(w io.Writer, d *api.KeyDestroyed) error {
	fmt.Fprintf(w, "destroyed the keys of %s\nwhat could undo it:\n", d.Offer)
	for _, u := range d.Undo {
		fmt.Fprintf(w, "  %s\n", u)
	}
	return writeNotes(w, d.Notes)
}

// confirmed asks for words to be typed.
func confirmed(w io.Writer, words string) error {
	refusal := fault.New(fault.Usage, "not confirmed: nothing was done", "type the data set and the version as they are, or give --yes", nil)
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return refusal
	}
	fmt.Fprintf(w, "this can't be undone. type %q: ", words)
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != words {
		return refusal
	}
	return nil
}
