package kinds

import (
	"crypto/sha256"
	"fmt"

	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/stage"
	"github.com/cordon-exchange/cordon/evidence/tpm"
)

// askedWith is what a quote was asked with: the SHA-256 of report data.
func askedWith(message []byte) ([]byte, error) {
	nonce, err := tpm.Qualifying(message)
	if err == nil && len(nonce) != sha256.Size {
		err = fmt.Errorf("%w: qualifying data of %d bytes", stage.Nonce, len(nonce))
	}
	return nonce, err
}

// binds m to what the quote was asked with, if that is something and the registers are of the bank that builds are made of.
func binds(m *hosted.Machine, v *tpm.Verified, nonce []byte) (*hosted.Machine, error) {
	if v.Bank != "SHA-256" {
		return nil, fmt.Errorf("%w: registers of bank %s", stage.Alg, v.Bank)
	}
	if m.Qualifying = [sha256.Size]byte(nonce); m.Qualifying == [sha256.Size]byte{} {
		return nil, ErrUnbound
	}
	return m, nil
}
