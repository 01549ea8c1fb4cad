package exchange

import (
	"slices"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/statement"
)

// answer is what an owner says to a contract instead of granting it.
type answer[T any] interface {
	*T
	statement.Statement
	Authors() []statement.Fingerprint
}

// about is the owner who answers, and the contract.
func about(body any) (owner statement.Fingerprint, contract statement.Digest) {
	switch b := body.(type) {
	case *statement.Counter:
		return b.Owner, b.Contract
	case *statement.Rejection:
		return b.Owner, b.Contract
	}
	return "", ""
}

// addAnswer takes a counter or rejection by an owner whom the contract names. The requester reads it, and nobody else: what one owner
// would rather have is none of the others' business.
func addAnswer[T any, P answer[T]](s *Server, c *call, e *statement.Envelope, kind string) error {
	v, err := statement.VerifyAuthor[T, P](e)
	if err != nil {
		return err
	}
	owner, contract := about(v.Body())
	if err := c.byAuthor([]statement.Fingerprint{owner}); err != nil {
		return err
	}
	_, t, err := s.contract(c.r.Context(), contract)
	if err != nil {
		return err
	}
	if !slices.Contains(t.Owners(), owner) {
		return unknownReference("the contract")
	}
	return s.add(c, store.Statement{
		Digest: v.Digest(), Kind: kind, Complete: true, Envelope: e.Bytes(), Authors: []statement.Fingerprint{owner},
		Readers: unique([]statement.Fingerprint{owner, t.Requester}), Refs: []statement.Digest{contract},
	}, []statement.Fingerprint{t.Requester})
}
