package token

import (
	"errors"
	"io"

	"github.com/cordon-exchange/cordon/internal/party/keystore/helper/wire"
)

// Run answers requests until the agent goes away. The first one opens the token; it is answered also if that fails, and nothing
// more is done then: a PIN is tried once for each process.
func Run(r io.Reader, w io.Writer) error {
	var q wire.Request
	if err := wire.Read(r, &q); err != nil {
		return ended(err)
	}
	if q.Op != wire.OpOpen || q.Token == nil {
		return wire.Write(w, wire.Reply{Code: wire.CodeUsage, Text: "the first request opens a token"})
	}
	t, err := Open(*q.Token)
	if err != nil {
		return wire.Write(w, reply(wire.Reply{}, err))
	}
	defer t.Close()
	if err := wire.Write(w, wire.Reply{}); err != nil {
		return err
	}
	for {
		if err := t.next(r, w); err != nil {
			return ended(err)
		}
	}
}

func (t *Token) next(r io.Reader, w io.Writer) error {
	var q wire.Request
	if err := wire.Read(r, &q); err != nil {
		return err
	}
	defer clear(q.Data)
	a := t.Serve(&q)
	defer clear(a.Data)
	return wire.Write(w, a)
}

func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
