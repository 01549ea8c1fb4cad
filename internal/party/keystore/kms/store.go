package kms

import (
	"errors"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/keystore/helper"
	"github.com/cordon-exchange/cordon/internal/party/keystore/helper/wire"
)

// Program is the name of the helper.
const Program = "cordon-kms"

// Errors of a server's key, for errors.Is; also helper.ErrAway.
var (
	ErrDenied = errors.New("kms: the server refuses this party's credentials")
	ErrWeak   = errors.New("kms: the key could leave the server")
)

// Options of a store. All are required.
type Options struct {
	URL    string
	Helper string // path of cordon-kms
}

// Store wraps under one key of a server: id of the key ‖ what the server made of the name's digest and the version key.
type Store struct{ *helper.Store }

// New checks the options; nothing is started yet.
func New(o Options) (*Store, error) {
	if _, err := Parse(o.URL); err != nil {
		return nil, err
	}
	s, err := helper.New(helper.Options{
		Path: o.Helper, Open: wire.Request{Op: wire.OpOpen, URL: o.URL}, Explain: explain, Final: func(error) bool { return false },
	})
	return &Store{s}, err
}

// explain turns a helper's code into what a person, or the agent, can act on.
func explain(r wire.Reply) error {
	switch r.Code {
	case wire.CodeDenied:
		return fault.New(fault.NoKey, "the key store refuses: "+r.Text, "check the token's file or the credentials, and what they may do with the key (docs/spec/key-stores.md, section 5)", ErrDenied)
	case wire.CodeWeak:
		return fault.New(fault.Untrusted, r.Text, "make a key that can't be exported, and name that", ErrWeak)
	}
	return fault.New(fault.Unavailable, "the key store refused: "+r.Text, "see the server's log", helper.ErrAway)
}
