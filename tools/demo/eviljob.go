package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// stranger is a program that the operator runs in the enclave's place. It speaks
// the enclave's part; its evidence truthfully says which program it is.
type stranger struct {
	exchange *client.Client
	operator *keyring.Keyring
	form     string
}

// run takes every job that it can get: one that an honest host gave back may come first.
func (s *stranger) run(ctx context.Context) error {
	for ctx.Err() == nil {
		claim, err := s.exchange.Claim(ctx, []string{"small"}, 5*time.Second, nil)
		if err != nil {
			continue
		}
		if err := s.hello(ctx, claim); err != nil {
			return err
		}
		if err := s.exchange.Finish(ctx, claim.Digest, wire.Finish{Lease: claim.Lease, State: wire.StateFailed, Code: "refused"}); err != nil {
			return err
		}
	}
	return nil
}

// hello asks every broker for its ready, and waits for the answers.
func (s *stranger) hello(ctx context.Context, claim *wire.Claim) error {
	job, err := statement.DecodeUnverified[statement.Job](claim.Job.Payload)
	if err != nil {
		return err
	}
	key, err := seal.NewSigningKey()
	if err != nil {
		return err
	}
	box, err := seal.NewBoxKey()
	if err != nil {
		return err
	}
	session := statement.Session{Key: key.Public().String(), Box: box.Public()}
	ev, err := s.attest(evidence.HelloBinding(claim.Digest, session.Digest()))
	if err != nil {
		return err
	}
	boxes := map[statement.Fingerprint][]byte{}
	for i := range claim.Statements {
		if p, err := statement.VerifyAuthor[statement.Party](&claim.Statements[i]); err == nil {
			boxes[p.Body().Authors()[0]] = p.Body().Box
		}
	}
	var out []wire.Outgoing
	for _, b := range job.Brokers() {
		sealed, err := message.SealTo(boxes[b], message.HelloContext(claim.Digest, b), message.Hello{Job: claim.Digest, Session: session, Evidence: *ev})
		if err != nil {
			return err
		}
		out = append(out, wire.Outgoing{To: b, Kind: message.KindHello, Body: sealed})
	}
	if err := s.exchange.SendMessages(ctx, claim.Digest, claim.Lease, out); err != nil {
		return err
	}
	_, err = s.exchange.Replies(ctx, claim.Digest, claim.Lease, wire.Await{Wait: 5 * time.Second})
	return err
}

func (s *stranger) attest(data evidence.ReportData) (*statement.Evidence, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	program, err := os.ReadFile(self)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(program)
	return simulated.Attest(s.operator.Signer(), statement.Digest("sha256:"+hex.EncodeToString(sum[:])), data,
		statement.Perimeter{Form: s.form, Details: []statement.Property{}}, time.Now())
}
