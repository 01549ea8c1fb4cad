package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/custody"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/officers"
	"github.com/cordon-exchange/cordon/statement"
)

// rootFlags name the root key's file and how its passphrase is given.
type rootFlags struct {
	key, passphraseFile, generatePassphrase string
}

func (f *rootFlags) passphrase() (keyring.Passphrase, error) {
	if f.passphraseFile != "" {
		return keyring.ReadPassphrase(f.passphraseFile)
	}
	typed, err := askPassphrase("passphrase of the root key: ")
	if err != nil {
		return keyring.Passphrase{}, err
	}
	return keyring.NewPassphrase(typed)
}

func (f *rootFlags) open() (*keyring.KeyFile, error) {
	if f.key == "" {
		return nil, fault.New(fault.Usage, "no root key given", "add --root-key FILE, on the medium that holds it", nil)
	}
	p, err := f.passphrase()
	if err != nil {
		return nil, err
	}
	return keyring.ReadKeyFile(f.key, keyring.UseRoot, p)
}

// write puts a root key into a new file, and reads it back: from then on it is the only copy.
func (f *rootFlags) write(root *keyring.KeyFile) error {
	p, err := newPassphrase(initFlags{passphraseFile: f.passphraseFile, generatePassphrase: f.generatePassphrase})
	if err != nil {
		return err
	}
	if err := root.Write(f.key, p); err != nil {
		return err
	}
	back, err := keyring.ReadKeyFile(f.key, keyring.UseRoot, p)
	if err != nil {
		return err
	}
	if back.Fingerprint() != root.Fingerprint() {
		return fault.New(fault.LocalStorage, "the root key's file holds another key than was written", "use another medium", nil)
	}
	return nil
}

func (f *rootFlags) addExisting(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.key, "root-key", "", "file of the party's root key (required)")
	cmd.Flags().StringVar(&f.passphraseFile, "root-passphrase-file", "", "read the root key's passphrase from a file instead of the terminal")
}

func (f *rootFlags) addNew(cmd *cobra.Command, name, usage string) {
	cmd.Flags().StringVar(&f.key, name, "", usage)
	cmd.Flags().StringVar(&f.passphraseFile, "root-passphrase-file", "", "read the root key's passphrase from a file instead of the terminal")
	cmd.Flags().StringVar(&f.generatePassphrase, "generate-root-passphrase", "", "make a random passphrase for the root key and write it to a new file")
}

// termFlags are what a certificate says beside its key.
type termFlags struct {
	days     int
	purposes []string
}

func (f *termFlags) add(cmd *cobra.Command) {
	cmd.Flags().IntVar(&f.days, "days", 365, "for how many days the online key is certified")
	cmd.Flags().StringSliceVar(&f.purposes, "purpose", nil, "what it may sign: "+strings.Join(statement.Purposes(), ", ")+" (default all)")
}

// terms begin when the party did: a new key also signs again what an earlier one said.
func (f *termFlags) terms(created int64) (keyring.Terms, error) {
	if f.days < 1 || f.days > 3660 {
		return keyring.Terms{}, fault.New(fault.Usage, "--days is out of range", "give a number from 1 to 3660", nil)
	}
	return keyring.Terms{Purposes: f.purposes, From: time.UnixMilli(created), Until: time.Now().AddDate(0, 0, f.days)}, nil
}

// closedHome is a home whose agent does not run, with its keyring open.
type closedHome struct {
	dir     home.Dir
	config  home.Config
	ring    *keyring.Keyring
	pass    keyring.Passphrase
	release func()
}

func openClosed(path, passphraseFile string) (*closedHome, error) {
	dir, err := home.Open(path)
	if err != nil {
		return nil, err
	}
	h := &closedHome{dir: dir}
	if h.release, err = dir.Lock(); err != nil {
		return nil, err
	}
	if err := h.unlock(passphraseFile); err != nil {
		h.release()
		return nil, err
	}
	return h, nil
}

func (h *closedHome) unlock(passphraseFile string) (err error) {
	if h.config, err = h.dir.Config(); err != nil {
		return err
	}
	if h.ring, h.pass, err = unlockIn(h.dir, passphraseFile); err != nil {
		return err
	}
	if h.ring.Fingerprint() != h.config.Fingerprint {
		return fault.New(fault.Untrusted, "the keyring is another party's than config.json says", "restore the home folder from one backup", nil)
	}
	return nil
}

func (h *closedHome) save(ring *keyring.Keyring) error {
	file, err := ring.Encrypt(h.pass)
	if err != nil {
		return err
	}
	return home.WriteFile(h.dir.Keyring(), file)
}

// replace makes ring the home's keyring, whole or not at all, then tells config.json.
func (h *closedHome) replace(ring *keyring.Keyring) error {
	if err := h.save(ring); err != nil {
		return err
	}
	h.config.Online = onlineOf(ring)
	return h.dir.WriteConfig(h.config)
}

// approved holds a certificate to dual control, where it is required for keys. Its key is fresh each time, so the officers have to
// be there.
func (h *closedHome) approved(cmd *cobra.Command, ring *keyring.Keyring) error {
	l, err := ledger.Open(h.dir.Ledger(), h.config.Fingerprint, time.Now)
	if err != nil {
		return err
	}
	defer l.Close()
	g := &officers.Gate{Home: h.dir, Ledger: l, Self: h.config.Fingerprint, Now: time.Now}
	return officersHere(cmd, g, "the officers have to be here: add --officer FILE for each", func() error {
		return g.Require(cmd.Context(), statement.ActionKey, statement.CertificateOf(ring.Signer()).Envelope().Payload)
	})
}

// officersHere asks a gate, and asks it again once the officers whose keys the command was given have approved. The hint is for
// a command that was given none.
func officersHere(cmd *cobra.Command, g *officers.Gate, hint string, ask func() error) error {
	err := ask()
	w := new(officers.Waiting)
	if !errors.As(err, &w) {
		return err
	}
	keys, kerr := officerKeys(cmd)
	if kerr != nil {
		return kerr
	}
	if len(keys) == 0 {
		return fault.New(fault.Refused, err.Error(), hint, nil)
	}
	_, list, lerr := g.InForce()
	if lerr != nil {
		return lerr
	}
	for _, k := range keys {
		e, err := statement.Sign(statement.Approval{
			Officer: k.Fingerprint(), Party: g.Self, Action: w.Action, About: w.Request, Officers: list, AtMS: g.Now().UnixMilli(),
		}, k.Signer())
		if err != nil {
			return err
		}
		if _, err := g.Add(e.Bytes()); err != nil {
			return err
		}
	}
	return ask()
}

func onlineOf(ring *keyring.Keyring) *home.Online {
	c := statement.CertificateOf(ring.Signer())
	if c == nil {
		return nil
	}
	return &home.Online{Key: c.Body().Key, Serial: c.Body().Serial, UntilMS: c.Body().UntilMS}
}

type keyInfo struct {
	partyInfo
	RootKey string `json:"root_key,omitempty"` // file
}

func newPartyOfflineRoot() *cobra.Command {
	var path, passphraseFile string
	var root rootFlags
	var terms termFlags
	var json bool
	cmd := &cobra.Command{
		Use:   "offline-root --home DIR --root-key FILE",
		Short: "Move the root key out of the home folder",
		Long: `Move the root key of a party out of its home folder: the signing key that the keyring
holds goes into a file of its own, under a passphrase of its own, and the keyring
gets a fresh online key that it certifies. The fingerprint stays, and partners need
do nothing. The agent must not run.

Backups of the keyring from before hold the root key: destroy them, or keep them as
you keep the file. Whoever loses the file can't certify or revoke any more: keep a copy.

Exit codes: 0 done, 2 usage or the agent runs, 5 unusable passphrase, 8 a file can't be written.`,
		Example: `  cordon party offline-root --home ./delta --root-key /media/usb/delta.root`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if root.key == "" {
				return fault.New(fault.Usage, "no file for the root key given", "add --root-key FILE, on the medium that is to hold it", nil)
			}
			h, err := openClosed(path, passphraseFile)
			if err != nil {
				return err
			}
			defer h.release()
			key, err := h.ring.TakeRoot()
			if err != nil {
				return err
			}
			t, err := terms.terms(h.config.CreatedMS)
			if err != nil {
				return err
			}
			ring, err := h.ring.WithOnlineKey(key, t)
			if err != nil {
				return err
			}
			if err := h.approved(cmd, ring); err != nil {
				return err
			}
			if err := root.write(key); err != nil {
				return err
			}
			if err := h.replace(ring); err != nil {
				return err
			}
			return showKeys(cmd, h, root.key, json)
		},
	}
	addHome(cmd, &path, &passphraseFile, &json)
	root.addNew(cmd, "root-key", "new file for the root key (required)")
	terms.add(cmd)
	return addOfficers(cmd)
}

func addHome(cmd *cobra.Command, path, passphraseFile *string, json *bool) {
	cmd.Flags().StringVar(path, "home", os.Getenv("CORDON_HOME"), "home folder of the party; default $CORDON_HOME")
	cmd.Flags().StringVar(passphraseFile, "passphrase-file", "", "read the keyring's passphrase from a file instead of the terminal")
	cmd.Flags().BoolVar(json, "json", false, "print JSON")
}

func showKeys(cmd *cobra.Command, h *closedHome, rootFile string, json bool) error {
	info := keyInfo{partyInfo: infoOf(h.config, h.dir), RootKey: rootFile}
	if json {
		return printJSON(cmd.OutOrStdout(), info)
	}
	return info.text(cmd.OutOrStdout())
}

type rotateFlags struct {
	home, passphraseFile string
	request, certificate string
	signingKey           string // URI; empty: in the keyring
	root                 rootFlags
	terms                termFlags
	json                 bool
}

func newPartyRotateKey() *cobra.Command {
	var f rotateFlags
	cmd := &cobra.Command{
		Use:   "rotate-key --home DIR --root-key FILE",
		Short: "Certify a fresh online signing key",
		Long: `Certify a fresh online signing key with the party's root key, and put it into the
keyring in place of the one before. The fingerprint stays, and partners need do
nothing: what the old key signed stays good. If the old key may be in other hands,
revoke it as well: the agent signs anew what is in force. The agent must not run.

Where the root key never comes to this machine: --request writes what 'cordon party
certify' needs there, and --certificate takes what it gives. The agent may run until then.

--signing-key pkcs11:token=LABEL;object=LABEL?module-path=FILE&pin-source=FILE makes the key
inside a token, which it never leaves: the agent asks the token for each signature, through
cordon-pkcs11, and verifies it. Each key needs a label of its own. Without --signing-key
the fresh key is in the keyring. While the token is away the agent signs nothing.

Exit codes: 0 done, 2 usage or the agent runs, 3 no certificate, 4 it is of another key
or party, 5 unusable passphrase or another party's root key, 6 officers have to approve,
8 the keyring can't be written.`,
		Example: `  cordon party rotate-key --home ./delta --root-key /media/usb/delta.root --days 90
  cordon party rotate-key --home ./delta --root-key /media/usb/delta.root \
    --signing-key 'pkcs11:token=delta;object=sign-1?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=/etc/delta.pin'
  cordon party rotate-key --home ./delta --request request.json
  cordon party rotate-key --home ./delta --certificate certificate.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return rotateKey(cmd, f) },
	}
	addHome(cmd, &f.home, &f.passphraseFile, &f.json)
	f.root.addExisting(cmd)
	f.terms.add(cmd)
	cmd.Flags().StringVar(&f.request, "request", "", "write a request for a certificate to this file, instead of --root-key")
	cmd.Flags().StringVar(&f.signingKey, "signing-key", "", "make the key inside the token that this URI names; with --root-key")
	cmd.Flags().StringVar(&f.certificate, "certificate", "", "take the certificate of the last request from this file, instead of --root-key")
	return addOfficers(cmd)
}

func rotateKey(cmd *cobra.Command, f rotateFlags) error {
	ways := 0
	for _, given := range []string{f.root.key, f.request, f.certificate} {
		if given != "" {
			ways++
		}
	}
	if ways != 1 {
		return fault.New(fault.Usage, "not one of --root-key, --request and --certificate", "give --root-key FILE, on the medium that holds it, or one of the others", nil)
	}
	if f.signingKey != "" && f.root.key == "" {
		return fault.New(fault.Usage, "--signing-key without --root-key", "a key in a token is certified where the token is: give --root-key FILE", nil)
	}
	if f.request != "" {
		return requestKey(f)
	}
	var key *keyring.KeyFile
	var err error
	if f.root.key != "" {
		if key, err = f.root.open(); err != nil {
			return err
		}
	}
	h, err := openClosed(f.home, f.passphraseFile)
	if err != nil {
		return err
	}
	defer h.release()
	if err := h.rootIsOffline(); err != nil {
		return err
	}
	ring, err := h.rotated(cmd.Context(), f, key)
	if err != nil {
		return err
	}
	if err := h.approved(cmd, ring); err != nil {
		return err
	}
	h.config.SigningKey = f.signingKey
	if f.signingKey != "" { // the settings first: a keyring whose token they don't name could not sign
		if err := h.dir.WriteConfig(h.config); err != nil {
			return err
		}
	}
	if err := h.replace(ring); err != nil {
		return err
	}
	if err := os.Remove(h.dir.PendingKey()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return home.Storage("can't remove the pending key", err)
	}
	return showKeys(cmd, h, "", f.json)
}

func (h *closedHome) rootIsOffline() error {
	if statement.CertificateOf(h.ring.Signer()) == nil {
		return fault.New(fault.Usage, "the party's root key is in its keyring", "move it out first: 'cordon party offline-root'", nil)
	}
	return nil
}

// rotated is the keyring with another online key: certified here, or elsewhere.
func (h *closedHome) rotated(ctx context.Context, f rotateFlags, root *keyring.KeyFile) (*keyring.Keyring, error) {
	if root != nil {
		t, err := f.terms.terms(h.config.CreatedMS)
		if err != nil {
			return nil, err
		}
		if f.signingKey != "" {
			return h.inToken(ctx, f.signingKey, root, t)
		}
		return h.ring.WithOnlineKey(root, t)
	}
	src, err := os.ReadFile(f.certificate)
	if err != nil {
		return nil, fault.New(fault.Input, "can't read the certificate", "check --certificate", err)
	}
	e, err := statement.ParseEnvelope(src)
	if err != nil {
		return nil, fault.New(fault.Input, "this is no certificate", "name the file that 'cordon party certify' wrote", err)
	}
	pending, err := keyring.ReadKeyFile(h.dir.PendingKey(), keyring.UseOnline, h.pass)
	if err != nil {
		return nil, err
	}
	return h.ring.WithCertified(pending, e)
}

// inToken is the keyring with a key that was made in a token. The root key is looked at first: a key of the token that nobody certifies
// would keep its label.
func (h *closedHome) inToken(ctx context.Context, uri string, root *keyring.KeyFile, t keyring.Terms) (*keyring.Keyring, error) {
	if root.Fingerprint() != h.ring.Fingerprint() {
		return nil, fault.New(fault.NoKey, "this root key is another party's", "give the root key of "+h.config.Name, nil)
	}
	key, err := custody.MakeSigning(ctx, uri, custody.Options{Ring: h.ring})
	if err != nil {
		return nil, err
	}
	ring, err := h.ring.WithTokenKey(root, key, t)
	return ring, errors.Join(err, key.Close())
}

// requestKey makes the key that waits. The agent may go on under the one before.
func requestKey(f rotateFlags) error {
	dir, err := home.Open(f.home)
	if err != nil {
		return err
	}
	h := &closedHome{dir: dir}
	if err := h.unlock(f.passphraseFile); err != nil {
		return err
	}
	if err := h.rootIsOffline(); err != nil {
		return err
	}
	pending, r, err := h.ring.Request(time.UnixMilli(h.config.CreatedMS))
	if err != nil {
		return err
	}
	src, err := r.Encode()
	if err != nil {
		return err
	}
	if err := os.Remove(dir.PendingKey()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return home.Storage("can't replace the key of an earlier request", err)
	}
	if err := pending.Write(dir.PendingKey(), h.pass); err != nil {
		return err
	}
	return writeBytes(f.request, src)
}

func writeBytes(path string, src []byte) error {
	return writeWhole(path, func(f *os.File) error {
		_, err := f.Write(src)
		return err
	})
}

type certifiedInfo struct {
	Name   string      `json:"name"`
	Online home.Online `json:"online"`
}

func newPartyCertify() *cobra.Command {
	var root rootFlags
	var terms termFlags
	var out string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "certify REQUEST --root-key FILE -o FILE",
		Short: "Certify an online key on the machine that holds the root key",
		Long: `Certify an online key that asks for it, on a machine of the root key's own: it needs no home,
no agent and no network. Compare the key with the one that 'rotate-key --request' wrote.

Exit codes: 0 done, 2 usage, 3 no request, 5 unusable passphrase, or the request is another
party's, 8 the file can't be written.`,
		Example: `  cordon party certify request.json --root-key ./delta.root -o certificate.json`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return fault.New(fault.Usage, "no file for the certificate given", "add -o FILE", nil)
			}
			src, err := readBounded(args[0], 1<<16)
			if err != nil {
				return fault.New(fault.Input, "can't read the request", "check its name", err)
			}
			r, err := keyring.DecodeRequest(src)
			if err != nil {
				return err
			}
			key, err := root.open()
			if err != nil {
				return err
			}
			t, err := terms.terms(r.FromMS)
			if err != nil {
				return err
			}
			e, err := key.CertifyRequest(r, t)
			if err != nil {
				return err
			}
			if err := writeBytes(out, e.Bytes()); err != nil {
				return err
			}
			info := &certifiedInfo{Name: r.Name, Online: home.Online{Key: r.Key, Serial: r.Serial, UntilMS: t.Until.UnixMilli()}}
			return show(cmd, &agentFlags{json: asJSON}, info, func(w io.Writer, c *certifiedInfo) error {
				_, err := fmt.Fprintf(w, "party        %s\nonline key   %s\ncertificate  %d, until %s\n", c.Name, c.Online.Key, c.Online.Serial, t.Until.UTC().Format(time.DateOnly))
				return err
			})
		},
	}
	root.addExisting(cmd)
	terms.add(cmd)
	cmd.Flags().StringVarP(&out, "output", "o", "", "file for the certificate (required)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

type revokeFlags struct {
	home, key, reason, exchange string
	out, revocation             string
	root                        rootFlags
	json                        bool
}

func newPartyRevokeKey() *cobra.Command {
	var f revokeFlags
	cmd := &cobra.Command{
		Use:   "revoke-key --home DIR --root-key FILE --key KEY",
		Short: "Revoke an online signing key",
		Long: `Revoke an online signing key with the party's root key. Nothing that it signed counts
any more, whatever time it states: who has the key can write any. The exchange tells
everybody; an agent that still holds the key does not start. Certify another with
'cordon party rotate-key': the agent then signs anew the offers, grants and pools that
are in force. Contracts that the key proposed have to be proposed again.

Without --exchange the agent posts it when it starts next. Where the root key never comes
to this machine: -o writes the revocation there, without a home, and --revocation takes it here.

Exit codes: 0 done, 2 usage, 3 malformed key, 5 unusable passphrase or another party's
root key, 7 exchange away (it is kept, and posted later), 8 home can't be written.`,
		Example: `  cordon party revoke-key --home ./delta --root-key /media/usb/delta.root --key ed25519:2a1c… --exchange http://127.0.0.1:7400`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return revokeKey(cmd, f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.home, "home", os.Getenv("CORDON_HOME"), "home folder of the party; default $CORDON_HOME")
	fl.StringVar(&f.key, "key", "", "the online key, as 'cordon party show' lists it (required)")
	fl.StringVar(&f.reason, "reason", "", "why, for partners to read")
	fl.StringVar(&f.exchange, "exchange", "", "URL of the exchange to tell at once")
	fl.StringVarP(&f.out, "output", "o", "", "write the revocation to this file, and need no home")
	fl.StringVar(&f.revocation, "revocation", "", "take the revocation from this file, instead of --root-key and --key")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	f.root.addExisting(cmd)
	return cmd
}

type revokedInfo struct {
	Key        string           `json:"key"`
	Revocation statement.Digest `json:"revocation"`
	Posted     bool             `json:"posted"`
}

func revokeKey(cmd *cobra.Command, f revokeFlags) error {
	switch {
	case f.revocation != "" && (f.root.key != "" || f.key != "" || f.out != "" || f.exchange != ""):
		return fault.New(fault.Usage, "--revocation with what it stands instead of", "give --home and --revocation alone", nil)
	case f.revocation != "":
		return takeRevocation(cmd, f)
	case f.out != "":
		return writeRevocation(f)
	}
	return revokeHere(cmd, f)
}

// signRevocation with the root key.
func signRevocation(f revokeFlags) (*keyring.KeyFile, *statement.Envelope, error) {
	online, err := statement.ParsePublicKey(f.key)
	if err != nil {
		return nil, nil, fault.New(fault.Input, "--key is not a public key", "'cordon party show' lists the key in use", err)
	}
	root, err := f.root.open()
	if err != nil {
		return nil, nil, err
	}
	e, err := root.RevokeKey(online, f.reason, time.Now())
	return root, e, err
}

func writeRevocation(f revokeFlags) error {
	_, e, err := signRevocation(f)
	if err != nil {
		return err
	}
	return writeBytes(f.out, e.Bytes())
}

// takeRevocation keeps one that was signed elsewhere: the agent posts it when it starts.
func takeRevocation(cmd *cobra.Command, f revokeFlags) error {
	dir, config, err := openHome(f.home)
	if err != nil {
		return err
	}
	src, err := readBounded(f.revocation, 1<<16)
	if err != nil {
		return fault.New(fault.Input, "can't read the revocation", "check --revocation", err)
	}
	e, err := statement.ParseEnvelope(src)
	if err != nil {
		return fault.New(fault.Input, "this is no revocation", "name the file that 'cordon party revoke-key -o' wrote", err)
	}
	v, err := statement.Verify[statement.Revocation](e, config.Fingerprint)
	if err != nil || v.Body().Author != config.Fingerprint || v.Body().Key == "" {
		return fault.New(fault.Untrusted, "this party's root key did not sign it, or it revokes no key", "have it written again", err)
	}
	if err := dir.AddRevokedKey(v); err != nil {
		return err
	}
	return showRevoked(cmd, f, &revokedInfo{Key: v.Body().Key, Revocation: v.Digest()})
}

func revokeHere(cmd *cobra.Command, f revokeFlags) error {
	dir, config, err := openHome(f.home)
	if err != nil {
		return err
	}
	root, e, err := signRevocation(f)
	if err != nil {
		return err
	}
	if root.Fingerprint() != config.Fingerprint {
		return fault.New(fault.NoKey, "this root key is another party's", "give the root key of "+config.Name, nil)
	}
	v, err := statement.Verify[statement.Revocation](e, config.Fingerprint)
	if err != nil {
		return err
	}
	if err := dir.AddRevokedKey(v); err != nil {
		return err
	}
	info := &revokedInfo{Key: f.key, Revocation: v.Digest()}
	if f.exchange != "" {
		// The root signs the request itself: it must work though no online key can be trusted.
		c, err := client.New(client.Options{URL: f.exchange, Signer: root.Signer()})
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := c.PostStatement(cmd.Context(), e); client.Revoked(err) != nil {
			return err
		}
		info.Posted = true
	}
	return showRevoked(cmd, f, info)
}

func showRevoked(cmd *cobra.Command, f revokeFlags, info *revokedInfo) error {
	return show(cmd, &agentFlags{json: f.json}, info, func(w io.Writer, i *revokedInfo) error {
		posted := "not told the exchange yet: the agent does when it starts"
		if i.Posted {
			posted = "the exchange is told"
		}
		_, err := fmt.Fprintf(w, "revoked     %s\nrevocation  %s\n%s\n", i.Key, i.Revocation, posted)
		return err
	})
}
