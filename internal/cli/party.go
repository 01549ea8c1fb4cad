package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/agent"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/collateral"
	"github.com/cordon-exchange/cordon/internal/party/custody"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/statement"
)

// NewPartyCommand makes `cordon party` with its verbs.
func NewPartyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "party", Short: "Make a party and run its agent"}
	cmd.AddCommand(newPartyInit(), newPartyShow(), newPartyServe(), newPartyStatus(), newPartyFreeze(), newPartyUnfreeze(), newPartyOfflineRoot(), newPartyRotateKey(), newPartyCertify(), newPartyRevokeKey(), newPartyOfficers())
	return cmd
}

type initFlags struct {
	home, name         string
	passphraseFile     string
	generatePassphrase string
	root               rootFlags
	terms              termFlags
	keyStore           string
	json               bool
}

func newPartyInit() *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init --home DIR --name NAME",
		Short: "Make a party: its keys, in a new home folder",
		Long: `Make a party: a signing key, a key that others seal to, and a key encryption key,
in a keyring that a passphrase protects. Whoever loses the passphrase or the folder
loses the data sets published with it: keep a copy of both, apart.

The signing key is the party's identity: its fingerprint is what others pin. With
--offline-root it goes into a file of its own, for a medium that you put away, and the
keyring gets an online key that it certifies: see 'cordon party rotate-key'.

--key-store says where the keys of data sets are wrapped: local, in that keyring; a token:
pkcs11:token=LABEL;object=LABEL?module-path=FILE&pin-source=FILE makes a key inside it
that never leaves it; or a server's key: vault://HOST/ENGINE/KEY?token-file=FILE,
awskms://, gcpkms://, azurekeyvault:// (docs/spec/key-stores.md says what is untested).
PINs and tokens are read from their files alone.

Exit codes: 0 done, 2 usage, 3 the token's module does not load, 5 unusable passphrase
or PIN, 7 the key store does not answer, 8 the folder can't be written.`,
		Example: `  cordon party init --home ./delta --name delta
  cordon party init --home ./delta --name delta --generate-passphrase ./delta.pass --json
  cordon party init --home ./delta --name delta --offline-root /media/usb/delta.root
  cordon party init --home ./delta --name delta --generate-passphrase ./delta.pass \
    --key-store 'pkcs11:token=delta;object=cordon?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=/etc/delta.pin'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return partyInit(cmd, f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.home, "home", os.Getenv("CORDON_HOME"), "new folder for the party; default $CORDON_HOME")
	fl.StringVar(&f.name, "name", "", "name of the party: lower-case letters, digits and _ (required)")
	fl.StringVar(&f.passphraseFile, "passphrase-file", "", "read the passphrase from a file instead of the terminal")
	fl.StringVar(&f.generatePassphrase, "generate-passphrase", "", "make a random passphrase and write it to a new file")
	fl.StringVar(&f.keyStore, "key-store", custody.Local, "where keys of data sets are wrapped: local, or a URI")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	f.root.addNew(cmd, "offline-root", "put the root key into this new file instead of the keyring")
	f.terms.add(cmd)
	return cmd
}

type partyInfo struct {
	Name        string                `json:"name"`
	Fingerprint statement.Fingerprint `json:"fingerprint"`
	Key         string                `json:"key"`
	Home        string                `json:"home"`
	KeyStore    string                `json:"key_store"`
	Online      *home.Online          `json:"online,omitempty"`
	SigningKey  string                `json:"signing_key,omitempty"` // URI of the token that holds it; absent: the keyring does
	Frozen      *api.Freeze           `json:"frozen,omitempty"`      // nothing is released
}

func infoOf(c home.Config, dir home.Dir) partyInfo {
	return partyInfo{Name: c.Name, Fingerprint: c.Fingerprint, Key: c.Key, Home: dir.Path(), KeyStore: cmp.Or(c.KeyStore, custody.Local), Online: c.Online, SigningKey: c.SigningKey, Frozen: api.FreezeOf(dir)}
}

func (p *partyInfo) text(w io.Writer) error {
	_, err := fmt.Fprintf(w, "party        %s\nfingerprint  %s\nhome         %s\nkey store    %s\nreleases     %s\n", p.Name, p.Fingerprint, p.Home, p.KeyStore, frozenText(p.Frozen))
	if err == nil && p.Online != nil {
		_, err = fmt.Fprintf(w, "root key     offline\nonline key   %s, certificate %d, until %s\n",
			p.Online.Key, p.Online.Serial, time.UnixMilli(p.Online.UntilMS).UTC().Format(time.DateOnly))
	}
	if err == nil && p.SigningKey != "" {
		_, err = fmt.Fprintf(w, "signing key  %s\n", p.SigningKey)
	}
	return err
}

func partyInit(cmd *cobra.Command, f initFlags) error {
	if !statement.ValidName(f.name) {
		return fault.New(fault.Usage, fmt.Sprintf("not a name for a party: %q", f.name), "give --name with lower-case letters, digits and _, at most 32", nil)
	}
	if f.passphraseFile != "" && f.generatePassphrase != "" {
		return fault.New(fault.Usage, "both --passphrase-file and --generate-passphrase", "give one of them", nil)
	}
	dir, err := home.Create(f.home)
	if err != nil {
		return err
	}
	ring, err := keyring.New(f.name)
	if err != nil {
		return err
	}
	if err := beginKeyStore(cmd.Context(), f.keyStore, ring); err != nil {
		return err
	}
	pass, err := newPassphrase(f)
	if err != nil {
		return err
	}
	config := home.Config{Name: f.name, Fingerprint: ring.Fingerprint(), Key: ring.Root().String(), CreatedMS: time.Now().UnixMilli()}
	if f.root.key != "" {
		if ring, err = withOfflineRoot(f, ring, config.CreatedMS); err != nil {
			return err
		}
		config.Online = onlineOf(ring)
	}
	file, err := ring.Encrypt(pass)
	if err != nil {
		return err
	}
	// The settings first: a folder without keyring.age is no party yet, and init can be run again.
	if f.keyStore != custody.Local {
		config.KeyStore = f.keyStore
	}
	if err := dir.WriteConfig(config); err != nil {
		return err
	}
	if err := home.WriteFile(dir.Keyring(), file); err != nil {
		return err
	}
	info := infoOf(config, dir)
	if f.json {
		return printJSON(cmd.OutOrStdout(), &info)
	}
	return info.text(cmd.OutOrStdout())
}

// withOfflineRoot moves a fresh party's root key to its file.
func withOfflineRoot(f initFlags, ring *keyring.Keyring, created int64) (*keyring.Keyring, error) {
	root, err := ring.TakeRoot()
	if err != nil {
		return nil, err
	}
	t, err := f.terms.terms(created)
	if err != nil {
		return nil, err
	}
	online, err := ring.WithOnlineKey(root, t)
	if err != nil {
		return nil, err
	}
	return online, f.root.write(root)
}

// beginKeyStore makes the first key in a store that is not the keyring, and tries it, before anything else is made.
func beginKeyStore(ctx context.Context, name string, ring *keyring.Keyring) error {
	s, err := custody.Open(name, custody.Options{Ring: ring})
	if err != nil {
		return err
	}
	return errors.Join(custody.Begin(ctx, s), s.Close())
}

func newPassphrase(f initFlags) (keyring.Passphrase, error) {
	switch {
	case f.generatePassphrase != "":
		p, err := keyring.GeneratePassphrase()
		if err != nil {
			return p, err
		}
		return p, p.WriteTo(f.generatePassphrase)
	case f.passphraseFile != "":
		return keyring.ReadPassphrase(f.passphraseFile)
	}
	first, err := askPassphrase("new passphrase: ")
	if err != nil {
		return keyring.Passphrase{}, err
	}
	again, err := askPassphrase("again: ")
	if err != nil {
		return keyring.Passphrase{}, err
	}
	if string(first) != string(again) {
		return keyring.Passphrase{}, fault.New(fault.NoKey, "the two passphrases differ", "run the command again", nil)
	}
	return keyring.NewPassphrase(first)
}

func askPassphrase(prompt string) ([]byte, error) {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return nil, fault.New(fault.NoKey, "no passphrase, and no terminal to ask for one", "give --passphrase-file", nil)
	}
	fmt.Fprint(os.Stderr, prompt)
	b, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(os.Stderr)
	return b, err
}

func newPartyShow() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show name and fingerprint of the party",
		Long: `Show name and fingerprint of the party. It needs no passphrase and no agent. Tell
others your fingerprint on a way that they trust: it is what they pin.

Exit codes: 0 done, 2 usage, 3 no party in the folder.`,
		Example: `  cordon party show --home ./delta`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, c, err := openHome(f.home)
			if err != nil {
				return err
			}
			info := infoOf(c, dir)
			return show(cmd, &f, &info, func(w io.Writer, p *partyInfo) error { return p.text(w) })
		},
	}
	f.add(cmd)
	return cmd
}

func newPartyStatus() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Ask the agent how it is",
		Long: `Ask the agent how it is: exchange, data sets, open exposures, head of the ledger.

Exit codes: 0 done, 2 usage, 3 no party in the folder, 7 the agent does not answer.`,
		Example: `  cordon party status --home ./delta`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(cmd, &f, api.PathStatus, api.Empty{}, func(w io.Writer, s *api.Status) error {
				t := newTable(w)
				t.row("party", s.Name, string(s.Fingerprint))
				t.row("exchange", s.Exchange)
				t.row("data sets", fmt.Sprint(s.Datasets))
				for _, v := range s.KeysMissing {
					t.row("keys missing", v, s.KeysHint+", or retire it")
				}
				if s.KeysWhy != "" {
					t.row("keys missing", s.KeysWhy)
				}
				if s.KeyUntilMS != 0 {
					note := ""
					if time.Until(time.UnixMilli(s.KeyUntilMS)) < 30*24*time.Hour {
						note = "certify another soon: 'cordon party rotate-key'"
					}
					t.row("online key", "until "+time.UnixMilli(s.KeyUntilMS).UTC().Format(time.DateOnly), note)
				}
				t.row("releases", frozenText(s.Frozen))
				t.row("open exposures", fmt.Sprint(s.OpenExposures))
				t.row("ledger", fmt.Sprintf("%d entries, head %s", s.Ledger.Seq, s.Ledger.Digest))
				if s.LogAlarm != "" {
					t.row("LOG", "NOT TO BE BELIEVED: "+s.LogAlarm, "'cordon log verify' says more")
				}
				if s.LedgerBehind {
					t.row("ledger", "OLDER than what this party signed for: nothing is released", "restore the newest copy, then start the agent again")
				}
				return t.end()
			})
		},
	}
	f.add(cmd)
	return cmd
}

const exchangeUsage = "URL of the exchange; of several processes of one exchange, all of their URLs with commas between (required)"

type serveFlags struct {
	home, exchange, passphraseFile string
	joinPools                      []string
	card                           cardFlags
	json, debug                    bool
}

func newPartyServe() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve --home DIR --exchange URL",
		Short: "Run the party's agent",
		Long: `Run the party's agent: it unlocks the keyring once, answers jobs that concern the
party, and serves the other commands over a socket in the home folder. It opens no
port. It waits for an exchange that is away, and stops on SIGINT or SIGTERM after
what is under way. One line on standard output says that it is ready; logs go to
standard error and hold no values, keys or SQL.

Exit codes: 0 stopped, 2 usage or another agent serves this home, 3 malformed URL, damaged keyring or
settings, 4 the ledger or an offer was tampered with, 5 wrong passphrase or missing key,
6 the exchange refuses the party, 8 home can't be written.`,
		Example: `  cordon party serve --home ./delta --exchange http://127.0.0.1:7400
  cordon party serve --home ./delta --exchange http://127.0.0.1:7400 --passphrase-file ./delta.pass --join-pools strikes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return partyServe(cmd, f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.home, "home", os.Getenv("CORDON_HOME"), "home folder of the party; default $CORDON_HOME")
	fl.StringVar(&f.exchange, "exchange", "", exchangeUsage)
	fl.StringVar(&f.passphraseFile, "passphrase-file", "", "read the passphrase from a file instead of the terminal")
	f.card.add(cmd)
	fl.StringSliceVar(&f.joinPools, "join-pools", nil, "sign proposals of pools with these names without asking, if all checks pass")
	fl.BoolVar(&f.json, "json", false, "print the ready line as JSON, and log in JSON")
	fl.BoolVar(&f.debug, "debug", false, "log more")
	return cmd
}

func partyServe(cmd *cobra.Command, f serveFlags) error {
	if f.exchange == "" {
		return fault.New(fault.Usage, "no exchange given", "add --exchange URL", nil)
	}
	for _, name := range f.joinPools {
		if !statement.ValidName(name) {
			return fault.New(fault.Usage, fmt.Sprintf("not a name of a pool: %q", name), "give --join-pools NAME,NAME without pool. before it", nil)
		}
	}
	dir, ring, err := unlock(f.home, f.passphraseFile)
	if err != nil {
		return err
	}
	cache, err := collateral.Open(dir, collateral.Anchors{})
	if err != nil {
		return err
	}
	known, err := verifiers(cache.Held(time.Now)) // what the home holds must accept too
	if err != nil {
		return err
	}
	past, err := verifiers(nil) // what was known then is in the account
	if err != nil {
		return err
	}
	config, err := dir.Config()
	if err != nil {
		return err
	}
	ring, token, err := custody.OpenSigning(config, custody.Options{Ring: ring})
	if err != nil {
		return err
	}
	if token != nil {
		defer token.Close()
	}
	keys, err := custody.OpenSet(config, custody.Options{Ring: ring})
	if err != nil {
		return err
	}
	opts := agent.Options{
		Home: dir, Keyring: ring, Keys: keys, Exchange: f.exchange, Verifiers: known, Readers: past, JoinPools: f.joinPools, Log: slog.New(f.logs(cmd.ErrOrStderr())),
	}
	account, err := f.card.account(string(config.Fingerprint))
	if err != nil {
		return err
	}
	if account != nil {
		opts.Card = account
	}
	a, err := agent.Open(opts)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var printErr error
	err = a.Serve(ctx, func() { printErr = f.ready(cmd.OutOrStdout(), ring, dir) })
	return errors.Join(err, printErr, a.Close())
}

// openHome opens a party's folder and reads what needs no passphrase.
func openHome(path string) (home.Dir, home.Config, error) {
	dir, err := home.Open(path)
	if err != nil {
		return home.Dir{}, home.Config{}, err
	}
	config, err := dir.Config()
	return dir, config, err
}

func unlock(path, passphraseFile string) (home.Dir, *keyring.Keyring, error) {
	dir, err := home.Open(path)
	if err != nil {
		return dir, nil, err
	}
	ring, _, err := unlockIn(dir, passphraseFile)
	return dir, ring, err
}

// unlockIn opens the keyring of a home folder.
func unlockIn(dir home.Dir, passphraseFile string) (*keyring.Keyring, keyring.Passphrase, error) {
	var pass keyring.Passphrase
	file, err := os.ReadFile(dir.Keyring())
	if err != nil {
		return nil, pass, fault.New(fault.NoKey, "the keyring is missing", "restore keyring.age from a backup", err)
	}
	if passphraseFile != "" {
		pass, err = keyring.ReadPassphrase(passphraseFile)
	} else {
		var typed []byte
		if typed, err = askPassphrase("passphrase: "); err == nil {
			pass, err = keyring.NewPassphrase(typed)
		}
	}
	if err != nil {
		return nil, pass, err
	}
	ring, err := keyring.Decrypt(file, pass)
	return ring, pass, err
}

func (f *serveFlags) logs(w io.Writer) slog.Handler {
	o := &slog.HandlerOptions{Level: slog.LevelInfo}
	if f.debug {
		o.Level = slog.LevelDebug
	}
	if f.json {
		return slog.NewJSONHandler(w, o)
	}
	return slog.NewTextHandler(w, o)
}

func (f *serveFlags) ready(w io.Writer, ring *keyring.Keyring, dir home.Dir) error {
	if !f.json {
		_, err := fmt.Fprintf(w, "agent of %s ready\n  fingerprint  %s\n  exchange     %s\n", ring.Name(), ring.Fingerprint(), f.exchange)
		return err
	}
	b, err := statement.Marshal(struct {
		Ready       bool                  `json:"ready"`
		Name        string                `json:"name"`
		Fingerprint statement.Fingerprint `json:"fingerprint"`
		Home        string                `json:"home"`
		Exchange    string                `json:"exchange"`
		PID         int                   `json:"pid"`
	}{true, ring.Name(), ring.Fingerprint(), dir.Path(), f.exchange, os.Getpid()})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", b)
	return err
}
