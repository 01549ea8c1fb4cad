package exchange

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// What an operator does with credits goes over a socket in the exchange's home: who may use it is who may write there.

// OperatorSocket is the name of the socket.
const OperatorSocket = "operator.sock"

// maxSocketPath is what every system takes.
const maxSocketPath = 103

// ErrSocketPath says that the home's path is too long for a socket.
var ErrSocketPath = errors.New("exchange: path of the home is too long for a socket")

// SocketIn is the socket's path in a home: from the working folder where that is shorter.
func SocketIn(home string) (string, error) {
	abs, err := filepath.Abs(filepath.Join(home, OperatorSocket))
	if err != nil {
		return "", err
	}
	if len(abs) <= maxSocketPath {
		return abs, nil
	}
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, abs); err == nil && len(rel) <= maxSocketPath {
			return rel, nil
		}
	}
	return "", ErrSocketPath
}

// ListenOperator makes the socket. One that a killed exchange left is replaced: whoever has the home serves it.
func ListenOperator(home string) (net.Listener, error) {
	if err := os.MkdirAll(home, 0o700); err != nil { // with store and lake elsewhere, nothing has made it
		return nil, err
	}
	path, err := SocketIn(home)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // it could be that of the next one by then
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// RunOperator serves the operator until ctx ends.
func (s *Server) RunOperator(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /credit", s.operator(s.credit))
	mux.HandleFunc("POST /refund", s.operator(s.refundPayment))
	mux.HandleFunc("GET /accounts", s.operator(s.accounts))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) }}
	defer context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if srv.Shutdown(end) != nil {
			_ = srv.Close() // what is under way is done or not, and can be said again
		}
	})()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *Server) operator(f func(*http.Request, []byte) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(io.LimitReader(r.Body, wire.MaxJSON))
		var out any
		if err == nil {
			out, err = f(r, b)
		}
		if err == nil {
			b, err = statement.Marshal(out)
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		send(w, http.StatusOK, b)
	}
}

// maxReference bounds the operator's own name of a payment.
const maxReference = 128

func validReference(s string) bool {
	return s != "" && len(s) <= maxReference && !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' })
}

// credit pays in or out, once for each reference.
func (s *Server) credit(r *http.Request, b []byte) (any, error) {
	var m wire.CreditMove
	if err := decodeBody(b, &m); err != nil {
		return nil, err
	}
	if !validReference(m.Reference) ||
		m.Amount < 1 || m.Amount > statement.MaxAmount {
		return nil, malformed("amount or reference is not of its form")
	}
	ctx := r.Context()
	if _, err := s.store.Party(ctx, m.Party); err != nil {
		return nil, missing(err, "the party")
	}
	p := store.Posting{Reference: m.Kind + ":" + m.Reference, Kind: m.Kind, Amount: m.Amount, AtMS: s.now().UnixMilli()}
	switch m.Kind {
	case store.PostDeposit:
		p.From, p.To = store.AccountOperator, store.AccountOf(m.Party)
	case store.PostPayout:
		p.From, p.To = store.AccountOf(m.Party), store.AccountOperator
	default:
		return nil, malformed("neither a deposit nor a payout")
	}
	added, err := s.store.Post(ctx, p)
	if err != nil {
		return nil, moneyError(err)
	}
	balance, err := s.store.Balance(ctx, store.AccountOf(m.Party))
	if err != nil {
		return nil, err
	}
	s.log.Info("credit posted", "kind", m.Kind, "party", m.Party.Short(), "added", added)
	return wire.CreditMoved{Added: added, Balance: balance}, nil
}

func (s *Server) accounts(r *http.Request, _ []byte) (any, error) {
	var out wire.CreditAccounts
	for after := ""; ; {
		list, err := s.store.Accounts(r.Context(), after, wire.MaxPage)
		if err != nil || len(list) == 0 {
			return out, err
		}
		for _, a := range list {
			after = a.Name
			if a.Balance != 0 {
				out.Accounts = append(out.Accounts, wire.CreditAccount{Name: a.Name, Balance: a.Balance})
			}
		}
	}
}
