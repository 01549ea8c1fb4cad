package home

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/statement"
)

// Dir is a party's home folder.
type Dir struct{ path string }

// Config is config.json: what may be read without a passphrase.
type Config struct {
	Format      string                `json:"format"` // ConfigFormat
	Name        string                `json:"name"`
	Fingerprint statement.Fingerprint `json:"fingerprint"`
	Key         string                `json:"key"` // public root key: the signing key too, unless Online says otherwise
	CreatedMS   int64                 `json:"created_ms"`
	Online      *Online               `json:"online,omitempty"` // the signing key in use, where it is not Key
	// KeyStore names where version keys are wrapped; empty is the keyring. KeyStoreBefore is one that still unwraps, while a move
	// to KeyStore is under way.
	KeyStore       string `json:"key_store,omitempty"`
	KeyStoreBefore string `json:"key_store_before,omitempty"`
	// SigningKey is the URI of the token that holds the signing key; empty: the keyring does.
	SigningKey string `json:"signing_key,omitempty"`
}

// Online is what config.json says of an online signing key. It is for people: the keyring holds the key and its certificate.
type Online struct {
	Key     string `json:"key"`
	Serial  int64  `json:"serial"`
	UntilMS int64  `json:"until_ms"`
}

// ConfigFormat names the format of config.json, with its version.
const ConfigFormat = "cordon-home/1"

// Create makes a home folder. It refuses a folder that is one already.
func Create(path string) (Dir, error) {
	d, err := at(path)
	if err != nil {
		return Dir{}, err
	}
	if _, err := os.Stat(d.Keyring()); err == nil {
		return Dir{}, fault.New(fault.Usage, "the folder is a party's home already", "choose another --home; a keyring is never overwritten", nil)
	}
	for _, sub := range []string{d.path, d.Ledger(), d.Datasets(), d.Jobs(), d.Pools(), d.Grants()} {
		if err := os.MkdirAll(sub, 0o700); err != nil {
			return Dir{}, Storage("can't make the home folder", err)
		}
	}
	if err := os.Chmod(d.path, 0o700); err != nil {
		return Dir{}, Storage("can't protect the home folder", err)
	}
	if _, err := os.Stat(d.freezeFile()); errors.Is(err, fs.ErrNotExist) {
		return d, d.SetFreeze("", time.Now())
	}
	return d, nil
}

// Open finds an existing home folder.
func Open(path string) (Dir, error) {
	d, err := at(path)
	if err != nil {
		return Dir{}, err
	}
	if _, err := os.Stat(d.configFile()); err != nil {
		return Dir{}, fault.New(fault.Input, "no party lives in this folder", "make one with 'cordon party init --home DIR --name NAME', or name its --home", err)
	}
	return d, nil
}

func at(path string) (Dir, error) {
	if path == "" {
		return Dir{}, fault.New(fault.Usage, "no home folder given", "give --home DIR, or set CORDON_HOME", nil)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return Dir{}, Storage("can't find the home folder", err)
	}
	return Dir{path: abs}, nil
}

// Path of the folder itself, absolute.
func (d Dir) Path() string { return d.path }

// Keyring is the passphrase-protected file of keys.
func (d Dir) Keyring() string { return filepath.Join(d.path, "keyring.age") }

// Ledger is the folder of the ledger.
func (d Dir) Ledger() string { return filepath.Join(d.path, "ledger") }

// Datasets is the folder of offers and wrapped keys.
func (d Dir) Datasets() string { return filepath.Join(d.path, "datasets") }

// Jobs is the folder of jobs concerned, by digest.
func (d Dir) Jobs() string { return filepath.Join(d.path, "jobs") }

// Job is the folder of one job.
func (d Dir) Job(job statement.Digest) string {
	return filepath.Join(d.Jobs(), strings.TrimPrefix(string(job), "sha256:"))
}

// Released is the folder of what this party's broker released, and to which evidence.
func (d Dir) Released() string { return filepath.Join(d.path, "released") }

// Grants is the folder of grants that this party signed.
func (d Dir) Grants() string { return filepath.Join(d.path, "grants") }

// Purchases is the folder of rules for purchases, by digest.
func (d Dir) Purchases() string { return filepath.Join(d.path, "purchases") }

// Checkouts is the folder of pages on which orders for this party's data are paid to its own account.
func (d Dir) Checkouts() string { return filepath.Join(d.path, "checkouts") }

// Orders is the folder of orders that this party placed.
func (d Dir) Orders() string { return filepath.Join(d.path, "orders") }

// Heads is the folder of the newest acknowledgement of each owner. It may be lost: then a restored ledger is noticed later, or not.
func (d Dir) Heads() string { return filepath.Join(d.path, "heads") }

// Log is the folder of what this party's agent has seen of the exchange's log.
func (d Dir) Log() string { return filepath.Join(d.path, "log") }

// PendingKey is the file of a signing key that waits for its certificate.
func (d Dir) PendingKey() string { return filepath.Join(d.path, "pending-key.age") }

// Officers is the folder of lists of officers, of what waits for their approval, and of approvals.
func (d Dir) Officers() string { return filepath.Join(d.path, "officers") }

// Revoked is the folder of revocations of online keys that the root signed.
func (d Dir) Revoked() string { return filepath.Join(d.path, "revoked") }

// Collateral is the folder of what vendors say of machines. It may be lost, and fetched or imported again.
func (d Dir) Collateral() string { return filepath.Join(d.path, "collateral") }

// Pools is the folder of pool epochs that this party signed.
func (d Dir) Pools() string { return filepath.Join(d.path, "pools") }

// Backups is the folder of manifests of the backups that were made of this home.
func (d Dir) Backups() string { return filepath.Join(d.path, "backups") }

func (d Dir) configFile() string { return filepath.Join(d.path, "config.json") }

// WriteConfig stores the settings durably.
func (d Dir) WriteConfig(c Config) error {
	c.Format = ConfigFormat
	b, err := statement.Marshal(c)
	if err != nil {
		return err
	}
	return WriteFile(d.configFile(), b)
}

// Config reads the settings.
func (d Dir) Config() (Config, error) {
	var c Config
	b, err := os.ReadFile(d.configFile())
	if err != nil {
		return Config{}, Storage("can't read config.json", err)
	}
	if err := statement.Unmarshal(b, &c); err != nil {
		return Config{}, damaged("config.json", err)
	}
	if c.Format != ConfigFormat || !statement.ValidName(c.Name) || !c.Fingerprint.Valid() {
		return Config{}, damaged("config.json", fmt.Errorf("not %s", ConfigFormat))
	}
	return c, nil
}

func damaged(file string, err error) error {
	return fault.New(fault.Input, file+" is damaged", "restore the home folder from a backup", err)
}
