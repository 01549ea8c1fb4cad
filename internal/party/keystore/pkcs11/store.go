package pkcs11

import (
	"errors"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/keystore/helper"
	"github.com/cordon-exchange/cordon/internal/party/keystore/helper/wire"
)

// Program is the name of the helper.
const Program = "cordon-pkcs11"

// Errors of a token, for errors.Is; also helper.ErrAway.
var (
	ErrPIN  = errors.New("pkcs11: the PIN is wrong, or the token is locked")
	ErrWeak = errors.New("pkcs11: a key could leave the token")
)

// Options of a store. All are required.
type Options struct {
	URI    string
	Helper string // path of cordon-pkcs11
}

// Store wraps under the newest key of one label in a token: id of the key ‖ nonce ‖ AES-256-GCM inside the token, with the name as
// additional data.
type Store struct{ *helper.Store }

// New checks the options; nothing is started yet.
func New(o Options) (*Store, error) {
	token, err := Parse(o.URI)
	if err != nil {
		return nil, err
	}
	s, err := helper.New(helper.Options{
		Path: o.Helper, Open: wire.Request{Op: wire.OpOpen, Token: &token}, Explain: explain,
		// A wrong PIN that is tried again would lock the token.
		Final: func(err error) bool { return errors.Is(err, ErrPIN) },
	})
	return &Store{s}, err
}

// explain turns a helper's code into what a person, or the agent, can act on.
func explain(r wire.Reply) error {
	switch r.Code {
	case wire.CodeModule:
		return fault.New(fault.Input, r.Text, "check module-path= of the key store: the vendor's PKCS#11 library, for this machine", helper.ErrAway)
	case wire.CodePINFile:
		return fault.New(fault.NoKey, r.Text, "put the PIN on one line of the file that pin-source= names, readable by its owner alone (mode 0600)", helper.ErrAway)
	case wire.CodePIN:
		return fault.New(fault.NoKey, r.Text, "correct the file of the PIN, then start again: a wrong PIN is not tried twice, which could lock the token", ErrPIN)
	case wire.CodeLocked:
		return fault.New(fault.NoKey, r.Text, "have its security officer set a new PIN", ErrPIN)
	case wire.CodeTaken:
		return taken(r)
	case wire.CodeWeak:
		return fault.New(fault.Untrusted, r.Text, "choose another object= label, under which Cordon makes its own key", ErrWeak)
	}
	return fault.New(fault.Unavailable, "the token refused: "+r.Text, "see the vendor's manual; the token must offer CKM_AES_GCM, and for a signing key CKM_EDDSA", helper.ErrAway)
}
