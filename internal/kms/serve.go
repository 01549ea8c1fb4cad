package kms

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/cordon-exchange/cordon/internal/party/keystore/helper/wire"
	"github.com/cordon-exchange/cordon/internal/party/keystore/kms"
	"github.com/cordon-exchange/cordon/statement"
)

const (
	// callTime is shorter than the agent's patience, so that it hears why.
	callTime       = 15 * time.Second
	versionKeySize = 32
	// plainSize is 65, a multiple of three with AES-GCM's nonce and tag: in base64 it has one encoding.
	plainSize  = 1 + sha256.Size + versionKeySize
	minWrapped = 12 + plainSize + 16 // of AES-GCM; others are longer
	maxWrapped = 16 << 10
)

// keeper has a server's key encrypt and decrypt.
type keeper interface {
	Encrypt(ctx context.Context, plain []byte) ([]byte, error)
	Decrypt(ctx context.Context, sealed []byte) ([]byte, error)
}

// failure is what a request ends with: a code for the agent, a text for people.
type failure struct{ code, text string }

func (f *failure) Error() string { return f.code + ": " + f.text }

func fail(code, text string) error { return &failure{code, text} }

// Run answers requests until the agent goes away. The first one names the key.
func Run(ctx context.Context, r io.Reader, w io.Writer) error {
	var q wire.Request
	if err := wire.Read(r, &q); err != nil {
		return ended(err)
	}
	if q.Op != wire.OpOpen {
		return wire.Write(w, wire.Reply{Code: wire.CodeUsage, Text: "the first request opens a key"})
	}
	s, err := open(ctx, q.URL)
	if err != nil {
		return wire.Write(w, reply(wire.Reply{}, err))
	}
	if err := wire.Write(w, wire.Reply{}); err != nil {
		return err
	}
	for {
		if err := s.next(ctx, r, w); err != nil {
			return ended(err)
		}
	}
}

func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

type server struct {
	id     []byte
	keeper keeper
}

func open(ctx context.Context, url string) (*server, error) {
	key, err := kms.Parse(url)
	if err != nil {
		return nil, fail(wire.CodeUsage, "not the URL of a server's key")
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	s := &server{id: key.ID()}
	if key.Scheme == kms.Vault || key.Scheme == kms.VaultPlain {
		s.keeper, err = openVault(ctx, key)
	} else {
		s.keeper, err = openCloud(ctx, key, url)
	}
	return s, err
}

func (s *server) next(ctx context.Context, r io.Reader, w io.Writer) error {
	var q wire.Request
	if err := wire.Read(r, &q); err != nil {
		return err
	}
	defer clear(q.Data)
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	a := reply(s.serve(ctx, &q))
	defer clear(a.Data)
	return wire.Write(w, a)
}

func reply(r wire.Reply, err error) wire.Reply {
	if err == nil {
		return r
	}
	var f *failure
	if errors.As(err, &f) {
		return wire.Reply{Code: f.code, Text: f.text}
	}
	return wire.Reply{Code: wire.CodeAway, Text: "it does not answer"}
}

func (s *server) serve(ctx context.Context, q *wire.Request) (wire.Reply, error) {
	switch q.Op {
	case wire.OpList:
		return wire.Reply{IDs: [][]byte{s.id}}, nil
	case wire.OpRenew, wire.OpDestroy:
		return wire.Reply{}, fail(wire.CodeElsewhere, "the server's own tools do that")
	case wire.OpWrap:
		return s.wrap(ctx, q)
	case wire.OpUnwrap:
		return s.unwrap(ctx, q)
	}
	return wire.Reply{}, fail(wire.CodeUsage, "no such request")
}

// bind puts the digest of the name beside the key: the servers have no additional data in common.
func bind(name, key []byte) []byte {
	return slices.Concat([]byte{1}, digest(name), key)
}

func digest(name []byte) []byte {
	return statement.LabelledSum("cordon/kms-wrapped-key/v1", name).Bytes()
}

func (s *server) wrap(ctx context.Context, q *wire.Request) (wire.Reply, error) {
	if len(q.Data) != versionKeySize {
		return wire.Reply{}, fail(wire.CodeUsage, "not a version key")
	}
	plain := bind(q.AAD, q.Data)
	defer clear(plain)
	out, err := s.keeper.Encrypt(ctx, plain)
	if err == nil && (len(out) < minWrapped || len(out) > maxWrapped) {
		err = fail(wire.CodeFailed, "what it wrapped has another size")
	}
	if err != nil {
		return wire.Reply{}, err
	}
	return wire.Reply{Data: slices.Concat(s.id, out)}, nil
}

func (s *server) unwrap(ctx context.Context, q *wire.Request) (wire.Reply, error) {
	if !bytes.Equal(q.ID, s.id) {
		return wire.Reply{}, fail(wire.CodeMissing, "another key wrapped it")
	}
	if len(q.Data) < minWrapped || len(q.Data) > maxWrapped {
		return wire.Reply{}, fail(wire.CodeRefused, "of another length")
	}
	plain, err := s.keeper.Decrypt(ctx, q.Data)
	if err != nil {
		return wire.Reply{}, s.blame(ctx, err)
	}
	defer clear(plain)
	if len(plain) != plainSize || plain[0] != 1 || subtle.ConstantTimeCompare(plain[1:1+sha256.Size], digest(q.AAD)) != 1 {
		return wire.Reply{}, fail(wire.CodeRefused, "of another name")
	}
	return wire.Reply{Data: bytes.Clone(plain[1+sha256.Size:])}, nil
}

// blame finds out whether the bytes are to blame: servers have no common answer to what does not authenticate. One that opens what it
// just encrypted works.
func (s *server) blame(ctx context.Context, err error) error {
	var f *failure
	if !errors.As(err, &f) || f.code != wire.CodeFailed {
		return err
	}
	probe := make([]byte, plainSize)
	out, werr := s.keeper.Encrypt(ctx, probe)
	if werr != nil {
		return err
	}
	if back, derr := s.keeper.Decrypt(ctx, out); derr != nil || !bytes.Equal(back, probe) {
		return err
	}
	return fail(wire.CodeRefused, "does not authenticate")
}
