package recovery

import (
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/recovery/shamir"
	"github.com/cordon-exchange/cordon/statement"
)

// ManifestFormat names the format of manifest.json, with its version.
const ManifestFormat = "cordon-backup/1"

const (
	maxManifest = 1 << 20
	idSize      = 16
)

// Errors of recovering, for errors.Is.
var (
	ErrFormat = errors.New("recovery: damaged or of another version")
	ErrOther  = errors.New("recovery: share of another backup")
	ErrShare  = errors.New("recovery: not the share that was made")
	ErrFew    = errors.New("recovery: too few shares")
	ErrSealed = errors.New("recovery: sealed to someone else")
)

// Manifest says what a backup is, in clear: whose, when, who has the shares, which versions' keys it holds. It has no secret.
type Manifest struct {
	Format    string                `json:"format"`
	ID        string                `json:"id"` // 16 random bytes in hex
	Owner     statement.Fingerprint `json:"owner"`
	Name      string                `json:"name"`
	AtMS      int64                 `json:"at_ms"`
	Threshold int64                 `json:"threshold"`
	Shares    []Custodian           `json:"shares"`
	KeyStore  string                `json:"key_store"` // that wraps the version keys: without it, and its keys, none opens
	Ledger    statement.LedgerHead  `json:"ledger"`    // at the time; a recovered party needs it or a later one
	Versions  []Version             `json:"versions"`
}

// Custodian has one share.
type Custodian struct {
	Number     int64            `json:"number"`
	Name       string           `json:"name"`
	Recipient  string           `json:"recipient"`  // age's, which the share is sealed to
	Commitment statement.Digest `json:"commitment"` // of the share: tells a wrong one from the right one
}

// Version whose wrapped keys are in the backup.
type Version struct {
	Dataset string `json:"dataset"`
	Version string `json:"version"`
	KEK     string `json:"kek"`
}

// Has reports whether the backup holds the keys of a version.
func (m *Manifest) Has(dataset, version string) bool {
	for _, v := range m.Versions {
		if v.Dataset == dataset && v.Version == version {
			return true
		}
	}
	return false
}

// ParseManifest reads manifest.json strictly.
func ParseManifest(src []byte) (*Manifest, error) {
	var m Manifest
	if err := statement.UnmarshalUpTo(src, maxManifest, &m); err != nil || m.Format != ManifestFormat {
		return nil, damaged("manifest.json", errors.New("not "+ManifestFormat))
	}
	if id, err := hex.DecodeString(m.ID); err != nil || len(id) != idSize || hex.EncodeToString(id) != m.ID {
		return nil, damaged("manifest.json", errors.New("id"))
	}
	if !m.Owner.Valid() || !statement.ValidName(m.Name) {
		return nil, damaged("manifest.json", errors.New("owner"))
	}
	if m.Threshold < 2 || int64(len(m.Shares)) < m.Threshold || len(m.Shares) > shamir.MaxShares {
		return nil, damaged("manifest.json", errors.New("threshold"))
	}
	for i, c := range m.Shares {
		if c.Number != int64(i+1) || !statement.ValidName(c.Name) || !c.Commitment.Valid() {
			return nil, damaged("manifest.json", errors.New("custodians"))
		}
	}
	return &m, nil
}

func damaged(file string, err error) error {
	return fault.New(fault.Input, file+" of the backup can't be read", "use another copy of it", fmt.Errorf("%w: %w", ErrFormat, err))
}

// commitment of a share. Shares are uniform, so that it says nothing about them.
func commitment(id string, s shamir.Share) statement.Digest {
	return statement.LabelledSum("cordon/recovery-share/v1", []byte(id), []byte{s.X}, s.Y)
}
