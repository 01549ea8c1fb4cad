package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/custody"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/officers"
	"github.com/cordon-exchange/cordon/internal/party/recovery"
	"github.com/cordon-exchange/cordon/statement"
)

const maxBackupFile = 80 << 20

func newKeyBackup() *cobra.Command {
	var f offlineFlags
	var custodians []string
	var threshold int
	var out string
	cmd := &cobra.Command{
		Use:   "backup --out DIR --threshold N --custodian NAME=RECIPIENT...",
		Short: "Make a backup that several custodians open together",
		Long: `Make a backup of keyring, wrapped keys, offers, grants and pools, encrypted under a fresh
key of which each custodian gets a share; --threshold of them give the key back, fewer say
nothing about it. A custodian makes a recipient with 'cordon key custodian FILE' or
age-keygen; its share is sealed to it. The agent must be stopped.

Writes backup.age and manifest.json, to keep anywhere, and share-N-NAME.age for each
custodian. The ledger is not in it, since only its newest copy is good: copy that apart,
again and again. Version keys wrapped in a token or a server need that to be opened.

Exit codes: 0 done, 2 usage or the agent runs, 3 damaged keyring, 4 an offer was tampered
with, 5 wrong passphrase, 6 officers have to approve, 8 a folder can't be written.`,
		Example: `  cordon key backup --home ./delta --passphrase-file ./delta.pass --out ./backup --threshold 2 \
    --custodian notary=age1pq1… --custodian cfo=age1pq1… --custodian cto=age1pq1…`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			to, err := parseCustodians(custodians)
			if err != nil {
				return err
			}
			if out == "" {
				return fault.New(fault.Usage, "no folder given", "add --out DIR", nil)
			}
			return keyBackup(cmd, &f, to, threshold, out)
		},
	}
	f.add(cmd)
	cmd.Flags().StringArrayVar(&custodians, "custodian", nil, "name and recipient of a custodian, as NAME=age1… (repeatable, required)")
	cmd.Flags().IntVar(&threshold, "threshold", 0, "how many custodians it takes (required, at least 2)")
	cmd.Flags().StringVar(&out, "out", "", "new folder for the backup (required)")
	return addOfficers(cmd)
}

func parseCustodians(list []string) ([]recovery.To, error) {
	var out []recovery.To
	for _, s := range list {
		name, recipient, ok := strings.Cut(s, "=")
		if !ok {
			return nil, fault.New(fault.Usage, "not a custodian: "+s, "write --custodian NAME=age1…", nil)
		}
		if _, err := recovery.ParseRecipient(recipient); err != nil {
			return nil, err
		}
		out = append(out, recovery.To{Name: name, Recipient: recipient})
	}
	return out, nil
}

// backupInfo is what a person is told: the manifest, and where things lie.
type backupInfo struct {
	ID       string               `json:"id"`
	Folder   string               `json:"folder"`
	Manifest *recovery.Manifest   `json:"manifest"`
	Ledger   statement.LedgerHead `json:"ledger"`
	Notes    []string             `json:"notes,omitempty"`
}

func keyBackup(cmd *cobra.Command, f *offlineFlags, to []recovery.To, threshold int, out string) error {
	p, err := f.open()
	if err != nil {
		return err
	}
	defer p.release()
	o := recovery.Options{Home: p.dir, Ring: p.ring, Custodians: to, Threshold: threshold, AtMS: time.Now().UnixMilli()}
	if err := fillBackup(&o); err != nil {
		return err
	}
	b, err := recovery.Make(o)
	if err != nil {
		return err
	}
	// Not before it is known that it can be made: what officers approve passes once.
	if _, err := os.Lstat(out); !errors.Is(err, fs.ErrNotExist) {
		return noFolder(err)
	}
	if err := p.approvedOperation(cmd, backupOperation(&o)); err != nil {
		return err
	}
	// First what names it, so that 'key destroy' knows of it; then what can be given away.
	if err := recovery.Remember(p.dir, b); err != nil {
		return err
	}
	if err := writeBackup(out, b); err != nil {
		return err
	}
	info := &backupInfo{ID: b.Manifest.ID, Folder: out, Manifest: b.Manifest, Ledger: b.Manifest.Ledger}
	if o.KeyStore != custody.Local {
		info.Notes = append(info.Notes, "version keys are wrapped in "+o.KeyStore+": without its keys this backup opens none; back them up by the vendor's means")
	}
	return show(cmd, &agentFlags{json: f.json}, info, func(w io.Writer, i *backupInfo) error {
		fmt.Fprintf(w, "backup %s in %s\n  %d of %d custodians open it\n", i.ID, i.Folder, i.Manifest.Threshold, len(i.Manifest.Shares))
		for _, c := range i.Manifest.Shares {
			fmt.Fprintf(w, "  %s  for %s\n", shareName(c), c.Name)
		}
		fmt.Fprintf(w, "  ledger at entry %d: keep copying it, only its newest copy is good\n", i.Ledger.Seq)
		return writeNotes(w, i.Notes)
	})
}

// fillBackup adds what the home folder says.
func fillBackup(o *recovery.Options) error {
	c, err := o.Home.Config()
	if err != nil {
		return err
	}
	o.KeyStore = custody.Local
	if c.KeyStore != "" {
		o.KeyStore = c.KeyStore
	}
	if _, o.Ledger, err = ledger.VerifyFile(o.Home.Ledger(), c.Fingerprint); errors.Is(err, fs.ErrNotExist) {
		o.Ledger, err = statement.LedgerHead{}, nil
	}
	if err != nil {
		return err
	}
	s, err := dataset.Open(o.Home, c.Fingerprint, o.Ring)
	if err != nil {
		return err
	}
	list, err := s.Wrappings()
	for _, w := range list {
		o.Versions = append(o.Versions, recovery.Version{Dataset: w.Dataset, Version: w.Version, KEK: w.KEK.String()})
	}
	return err
}

// backupOperation is all that a backup lets custodians have, and which.
func backupOperation(o *recovery.Options) officers.KeyOperation {
	op := officers.KeyOperation{Operation: officers.BackUpKeys, Store: o.KeyStore, Threshold: int64(o.Threshold)}
	for _, v := range o.Versions {
		op.Versions = append(op.Versions, officers.KeyOfVersion{Dataset: v.Dataset, Version: v.Version, KEK: v.KEK})
	}
	for _, c := range o.Custodians {
		op.Custodians = append(op.Custodians, officers.KeyCustodian{Name: c.Name, Recipient: c.Recipient})
	}
	return op
}

func shareName(c recovery.Custodian) string { return fmt.Sprintf("share-%d-%s.age", c.Number, c.Name) }

func noFolder(err error) error {
	return fault.New(fault.LocalStorage, "can't make the folder of the backup", "name a folder with --out that does not exist yet", err)
}

// writeBackup fills a new folder. Nothing that exists is overwritten.
func writeBackup(dir string, b *recovery.Backup) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return noFolder(err)
	}
	files := map[string][]byte{"backup.age": b.Data, "manifest.json": b.Encoded}
	for i, c := range b.Manifest.Shares {
		files[shareName(c)] = b.Shares[i]
	}
	for name, src := range files {
		if err := home.WriteFile(filepath.Join(dir, name), src); err != nil {
			return err
		}
	}
	return nil
}

func newKeyCustodian() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "custodian FILE",
		Short: "Make an identity for a custodian of shares",
		Long: `Make an identity of age's (hybrid, MLKEM768-X25519) in a new file that only its owner
reads, and print its recipient, which is no secret: who makes a backup seals a share to it.
Who has the file has the share: keep it apart from the share, on a medium of its own.

Exit codes: 0 done, 2 usage, 8 the file exists or can't be written.`,
		Example: `  cordon key custodian ./notary.identity`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, recipient, err := recovery.NewIdentity()
			if err != nil {
				return err
			}
			defer clear(file)
			if err := writeNew(args[0], file); err != nil {
				return err
			}
			r := struct {
				Recipient string `json:"recipient"`
			}{recipient}
			return show(cmd, &agentFlags{json: asJSON}, &r, func(w io.Writer, _ *struct {
				Recipient string `json:"recipient"`
			}) error {
				_, err := fmt.Fprintln(w, recipient)
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// writeNew writes a file that does not exist yet, for its owner alone.
func writeNew(path string, src []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fault.New(fault.LocalStorage, "can't write the file", "name a file that does not exist yet", err)
	}
	_, err = f.Write(src)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fault.New(fault.LocalStorage, "can't write the file", "check free space", err)
	}
	return nil
}

type shareFlags struct {
	identity, to, out string
	json              bool
}

func newKeyShare() *cobra.Command {
	var f shareFlags
	cmd := &cobra.Command{
		Use:   "share FILE --identity FILE",
		Short: "As a custodian: check a share, or seal it to who recovers",
		Long: `Check that a share opens with one's identity, and of which party and backup it is. With
--to the share is sealed to who recovers the party, in a new file: ask that person on a way
that you trust for the recipient. The share itself is never shown.

Exit codes: 0 done, 2 usage, 3 the file is damaged, 5 it is sealed to someone else, 8 the
new file exists or can't be written.`,
		Example: `  cordon key share share-1-notary.age --identity ./notary.identity
  cordon key share share-1-notary.age --identity ./notary.identity --to age1pq1… --out for-delta.age`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return keyShare(cmd, args[0], &f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.identity, "identity", "", "the custodian's identity (required)")
	fl.StringVar(&f.to, "to", "", "recipient of who recovers")
	fl.StringVar(&f.out, "out", "", "new file for the share sealed to it; with --to")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

type shareInfo struct {
	Backup string                `json:"backup"`
	Owner  statement.Fingerprint `json:"owner"`
	Number int64                 `json:"number"`
	Out    string                `json:"out,omitempty"`
}

func keyShare(cmd *cobra.Command, file string, f *shareFlags) error {
	if f.identity == "" || (f.to == "") != (f.out == "") {
		return fault.New(fault.Usage, "no identity, or one of --to and --out alone", "give --identity FILE; --to and --out together", nil)
	}
	s, err := openShare(file, []string{f.identity})
	if err != nil {
		return err
	}
	if f.to != "" {
		sealed, err := s.Seal(f.to)
		if err != nil {
			return err
		}
		if err := writeNew(f.out, sealed); err != nil {
			return err
		}
	}
	info := &shareInfo{Backup: s.Backup(), Owner: s.Owner(), Number: s.Number(), Out: f.out}
	return show(cmd, &agentFlags{json: f.json}, info, func(w io.Writer, i *shareInfo) error {
		_, err := fmt.Fprintf(w, "share %d of backup %s\n  of party  %s\n", i.Number, i.Backup, i.Owner)
		if err == nil && i.Out != "" {
			_, err = fmt.Fprintf(w, "  sealed to the recipient in %s\n", i.Out)
		}
		return err
	})
}

func openShare(file string, identities []string) (*recovery.Share, error) {
	var ids []age.Identity
	for _, path := range identities {
		more, err := recovery.ReadIdentities(path)
		if err != nil {
			return nil, err
		}
		ids = append(ids, more...)
	}
	src, err := readBounded(file, maxPolicy)
	if err != nil {
		return nil, fault.New(fault.Input, "can't read a share", "check its path: "+file, err)
	}
	s, err := recovery.OpenShare(src, ids...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(file), err)
	}
	return s, nil
}

type recoverFlags struct {
	home, ledger       string
	shares, identities []string
	passphraseFile     string
	generatePassphrase string
	json               bool
}

func newKeyRecover() *cobra.Command {
	var f recoverFlags
	cmd := &cobra.Command{
		Use:   "recover BACKUP --home DIR --share FILE... --identity FILE... --ledger DIR",
		Short: "Bring a party back from custodians' shares",
		Long: `Bring a party back into a new home folder, from the folder of a backup (backup.age,
manifest.json), as many shares as its threshold, and identities that open them.

--ledger names the folder of the ledger's newest copy: it must be the one of the backup or
a later one. What it says was retired or destroyed since the backup is so again; what was
published since is named as lost. Budgets that were spent and contracts that were revoked
are in it alone, so there is no recovery without it. A party whose ledger says that it
stopped its releases comes back with them stopped. What fails leaves no home folder behind.

Exit codes: 0 done, 2 usage, 3 a file is damaged, 4 a share was changed or is of another
backup, or the ledger is older than the backup, 5 too few shares, or an identity does not
open them, 8 the folder can't be written.`,
		Example: `  cordon key recover ./backup --home ./delta2 --ledger ./ledger-copy --generate-passphrase ./delta2.pass \
    --share from-notary.age --share from-cfo.age --identity ./recovery.identity`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return keyRecover(cmd, args[0], &f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.home, "home", os.Getenv("CORDON_HOME"), "new home folder; default $CORDON_HOME")
	fl.StringVar(&f.ledger, "ledger", "", "folder of the newest copy of the ledger")
	fl.StringArrayVar(&f.shares, "share", nil, "a custodian's share (repeatable, required)")
	fl.StringArrayVar(&f.identities, "identity", nil, "an identity that opens shares (repeatable, required)")
	fl.StringVar(&f.passphraseFile, "passphrase-file", "", "read the new passphrase from a file instead of the terminal")
	fl.StringVar(&f.generatePassphrase, "generate-passphrase", "", "make a random passphrase and write it to a new file")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

type recoveredInfo struct {
	partyInfo
	Notes []string `json:"notes,omitempty"`
}

func keyRecover(cmd *cobra.Command, dir string, f *recoverFlags) error {
	manifest, err := readBounded(filepath.Join(dir, "manifest.json"), maxPolicy)
	if err != nil {
		return fault.New(fault.Input, "can't read manifest.json", "name the folder of the backup", err)
	}
	data, err := readBounded(filepath.Join(dir, "backup.age"), maxBackupFile)
	if err != nil {
		return fault.New(fault.Input, "can't read backup.age", "name the folder of the backup", err)
	}
	var shares []*recovery.Share
	for _, path := range f.shares {
		s, err := openShare(path, f.identities)
		if err != nil {
			return err
		}
		shares = append(shares, s)
	}
	r, err := recovery.Open(manifest, data, shares)
	if err != nil {
		return err
	}
	copied, err := f.newest(r.Ring, manifest)
	if err != nil {
		return err
	}
	undo, err := f.free()
	if err != nil {
		return err
	}
	info, err := f.settle(r, copied)
	if err != nil {
		return errors.Join(err, undo())
	}
	return show(cmd, &agentFlags{json: f.json}, info, func(w io.Writer, i *recoveredInfo) error {
		return errors.Join(i.text(w), writeNotes(w, i.Notes))
	})
}

// newest reads the ledger that goes on, and checks that it does not lack what the backup saw. It is empty if there never was one.
func (f *recoverFlags) newest(ring *keyring.Keyring, manifest []byte) (*ledger.Copy, error) {
	m, err := recovery.ParseManifest(manifest)
	if err != nil {
		return nil, err
	}
	if f.ledger == "" {
		if m.Ledger.Seq == 0 {
			return &ledger.Copy{}, nil
		}
		return nil, fault.New(fault.Usage, "no ledger given", "give --ledger with the folder of its newest copy: what it says was spent and revoked is nowhere else", nil)
	}
	c, err := ledger.Read(f.ledger, ring.Fingerprint())
	if err != nil {
		return nil, err
	}
	if m.Ledger.Seq > 0 && !ledger.Holds(c.Entries, c.Head, m.Ledger) {
		return nil, fault.New(fault.Untrusted, fmt.Sprintf("this ledger is older than the backup, which saw entry %d", m.Ledger.Seq), "find the newest copy of the ledger", nil)
	}
	return c, nil
}

// free checks that nothing is where the new home comes. undo takes away what a recovery that failed has put there.
func (f *recoverFlags) free() (undo func() error, err error) {
	if f.home == "" {
		return nil, fault.New(fault.Usage, "no home folder given", "give --home DIR, or set CORDON_HOME", nil)
	}
	files, err := os.ReadDir(f.home)
	if len(files) > 0 {
		return nil, fault.New(fault.Usage, "the folder of the new home is not empty", "choose another --home; nothing is overwritten", nil)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, home.Storage("can't read the folder of the new home", err)
	}
	return func() error {
		if err := os.RemoveAll(f.home); err != nil {
			return home.Storage("can't remove the home that was begun", err)
		}
		return nil
	}, nil
}

// settle makes the new home. The keyring comes last: without it the folder is no party.
func (f *recoverFlags) settle(r *recovery.Recovered, copied *ledger.Copy) (*recoveredInfo, error) {
	d, err := home.Create(f.home)
	if err != nil {
		return nil, err
	}
	if err := r.WriteTo(d); err != nil {
		return nil, err
	}
	if err := copied.WriteTo(d.Ledger()); err != nil {
		return nil, err
	}
	notes, err := recovery.Reconcile(d, r.Ring, copied.Entries)
	if err != nil {
		return nil, err
	}
	c, err := d.Config()
	if err != nil {
		return nil, err
	}
	pass, err := newPassphrase(initFlags{passphraseFile: f.passphraseFile, generatePassphrase: f.generatePassphrase})
	if err != nil {
		return nil, err
	}
	file, err := r.Ring.Encrypt(pass)
	if err != nil {
		return nil, err
	}
	if err := home.WriteFile(d.Keyring(), file); err != nil {
		return nil, err
	}
	info := &recoveredInfo{partyInfo{Name: c.Name, Fingerprint: c.Fingerprint, Key: c.Key, Home: d.Path(), KeyStore: cmp.Or(c.KeyStore, custody.Local), Frozen: api.FreezeOf(d)}, notes}
	info.Notes = append(info.Notes, "if the old home may be in other hands, rotate its keys: 'cordon key rotate --destroy-old', then publish anew what matters")
	return info, nil
}
