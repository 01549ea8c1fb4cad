package recovery

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"filippo.io/age"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/recovery/shamir"
	"github.com/cordon-exchange/cordon/statement"
)

// ShareFormat names the format of an opened share, with its version.
const ShareFormat = "cordon-share/1"

const (
	maxShare    = 64 << 10
	maxIdentity = 64 << 10
)

// Share is one custodian's part of a recovery key. It has no text form.
type Share struct {
	_      [0]func()
	backup string
	owner  statement.Fingerprint
	s      shamir.Share
}

// Backup is the id of the backup that it opens, with others.
func (s *Share) Backup() string { return s.backup }

// Owner is whose backup that is.
func (s *Share) Owner() statement.Fingerprint { return s.owner }

// Number in the manifest.
func (s *Share) Number() int64 { return int64(s.s.X) }

// Format prints no share, whatever the verb.
func (*Share) Format(f fmt.State, _ rune) { fmt.Fprint(f, "recovery.Share") }

// shareFile is what is sealed to a custodian.
type shareFile struct {
	Format string                `json:"format"`
	Backup string                `json:"backup"`
	Owner  statement.Fingerprint `json:"owner"`
	Number int64                 `json:"number"`
	Data   []byte                `json:"data"`
}

// Seal encrypts a share to a recipient of age's: age1… or age1pq1…
func (s *Share) Seal(recipient string) ([]byte, error) {
	to, err := ParseRecipient(recipient)
	if err != nil {
		return nil, err
	}
	plain, err := statement.Marshal(shareFile{Format: ShareFormat, Backup: s.backup, Owner: s.owner, Number: s.Number(), Data: s.s.Y})
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	return keyring.EncryptTo(plain, to)
}

// OpenShare opens a sealed share with any of the identities.
func OpenShare(src []byte, identities ...age.Identity) (*Share, error) {
	plain, err := decrypt(src, maxShare, identities...)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	return parseShare(plain)
}

func parseShare(plain []byte) (*Share, error) {
	var f shareFile
	if err := statement.Unmarshal(plain, &f); err != nil || f.Format != ShareFormat || !f.Owner.Valid() ||
		f.Number < 1 || f.Number > shamir.MaxShares || len(f.Data) == 0 {
		return nil, damaged("a share", errors.New("not "+ShareFormat))
	}
	return &Share{backup: f.Backup, owner: f.Owner, s: shamir.Share{X: byte(f.Number), Y: f.Data}}, nil
}

func decrypt(src []byte, limit int64, identities ...age.Identity) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(src), identities...)
	if noMatch := new(age.NoIdentityMatchError); errors.As(err, &noMatch) {
		return nil, fault.New(fault.NoKey, "a file of the backup does not open with these identities", "give --identity with the one that it was sealed to", ErrSealed)
	}
	if err != nil {
		return nil, damaged("a file", errors.New("not an age file"))
	}
	plain, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil || int64(len(plain)) > limit {
		clear(plain)
		return nil, damaged("a file", errors.New("cut short, changed or too large"))
	}
	return plain, nil
}

// ParseRecipient reads a recipient of age's: X25519, or the hybrid with ML-KEM-768 that also withstands quantum computers.
func ParseRecipient(s string) (age.Recipient, error) {
	if strings.HasPrefix(s, "age1pq1") {
		if r, err := age.ParseHybridRecipient(s); err == nil {
			return r, nil
		}
	} else if r, err := age.ParseX25519Recipient(s); err == nil {
		return r, nil
	}
	return nil, fault.New(fault.Usage, "not a recipient", "a custodian makes one with 'cordon key custodian FILE' or age-keygen: it begins with age1", nil)
}

// NewIdentity makes an identity for a custodian: the text of its file, and the recipient to give away.
func NewIdentity() (file []byte, recipient string, err error) {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return nil, "", err
	}
	r := id.Recipient().String()
	return []byte("# public key: " + r + "\n" + id.String() + "\n"), r, nil
}

// ReadIdentities reads a file of age's identities.
func ReadIdentities(path string) ([]age.Identity, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.NoKey, "can't read the identity", "check --identity", err)
	}
	defer f.Close()
	ids, err := age.ParseIdentities(io.LimitReader(f, maxIdentity))
	if err != nil { // its text may quote the file
		return nil, fault.New(fault.NoKey, "the identity is none of age's", "name the file that 'cordon key custodian' or age-keygen wrote", nil)
	}
	return ids, nil
}
