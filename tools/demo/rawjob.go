package main

import (
	"context"
	"crypto/rand"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/statement"
)

// submitRaw submits a job as an attacker does who wrote its own client: nothing
// is checked on its side.
func (d *demo) submitRaw(ctx context.Context, who *analyst, sql string) (string, error) {
	ring, err := unlock(d.home(who.name), d.passphrase(who.name))
	if err != nil {
		return "", err
	}
	ex, err := client.New(client.Options{URL: d.exchange.URL, Signer: ring.Signer()})
	if err != nil {
		return "", err
	}
	defer ex.Close()
	e, err := ex.Statement(ctx, statement.Digest(who.contract))
	if err != nil {
		return "", err
	}
	contract, err := statement.VerifyAuthor[statement.Contract](e)
	if err != nil {
		return "", err
	}
	body := statement.Body{SQL: sql, Salt: random()}
	commitment, err := body.Commit()
	if err != nil {
		return "", err
	}
	owners := slices.Sorted(slices.Values(contract.Body().Owners()))
	now := time.Now()
	j := statement.Job{Nonce: random(), Contract: contract.Digest(), Requester: ring.Fingerprint(), Owners: owners, Class: "standard",
		Commitment: commitment, CreatedMS: now.UnixMilli(), ExpiresMS: now.Add(10 * time.Minute).UnixMilli()}
	for _, b := range j.Brokers() {
		sealed, err := d.sealTo(ctx, ex, b, ring.Fingerprint(), body)
		if err != nil {
			return "", err
		}
		j.Bodies = append(j.Bodies, statement.SealedBody{To: b, Sealed: sealed})
	}
	signed, err := statement.Sign(j, ring.Signer())
	if err != nil {
		return "", err
	}
	digest, err := ex.SubmitJob(ctx, signed)
	return string(digest), err
}

func (d *demo) sealTo(ctx context.Context, ex *client.Client, to, from statement.Fingerprint, body statement.Body) ([]byte, error) {
	list, err := ex.AllStatements(ctx, client.Query{Kind: "party", Owner: to})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	p, err := statement.Verify[statement.Party](&list[len(list)-1].Envelope, to)
	if err != nil {
		return nil, err
	}
	return message.SealTo(p.Body().Box, message.BodyContext(from, to), message.Letter{Body: body})
}

func random() []byte {
	b := make([]byte, statement.NonceSize)
	_, _ = rand.Read(b) // crypto/rand never fails
	return b
}

// listen serves a handler on loopback until the demo ends.
func (d *demo) listen(h http.Handler) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.Serve(l) }()
	d.servers = append(d.servers, s)
	return "http://" + l.Addr().String(), nil
}
