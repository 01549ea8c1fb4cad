package client

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// SubmitJob queues a signed job. It is durable when the call returns.
// CodeAlreadySubmitted: this very job was known before.
func (c *Client) SubmitJob(ctx context.Context, e *statement.Envelope) (statement.Digest, error) {
	b, err := statement.Marshal(e)
	if err != nil {
		return "", err
	}
	k := call{method: http.MethodPost, path: "/v1/jobs"}
	k.bytes(b)
	var out wire.Posted
	lost := false // an answer to this call got lost: then the job that is known is this one
	err = c.retry(ctx, func(ctx context.Context) error {
		resp, err := c.once(ctx, k)
		if err == nil {
			err = readAnswer(resp, &out)
		}
		if lost && HasCode(err, wire.CodeAlreadySubmitted) {
			out.Digest, err = e.Digest(), nil
		}
		lost = lost || passing(err) || HasCode(err, wire.CodeReplayed)
		return err
	})
	if err == nil {
		c.accepted(e.Digest())
	}
	return out.Digest, err
}

// Job tells the state of a job that concerns the caller.
func (c *Client) Job(ctx context.Context, d statement.Digest) (*wire.JobStatus, error) {
	return c.WaitJob(ctx, d, 0, 0)
}

// WaitJob waits, at most for wait, until the job's Version is above version, and tells its state.
func (c *Client) WaitJob(ctx context.Context, d statement.Digest, version int64, wait time.Duration) (*wire.JobStatus, error) {
	v := url.Values{}
	setInt(v, "version", version)
	setInt(v, "wait_ms", wait.Milliseconds())
	var out wire.JobStatus
	k := call{method: http.MethodGet, path: jobPath(d), query: v, wait: wait}
	if err := c.json(ctx, k, nil, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// JobEnvelope fetches the signed job.
func (c *Client) JobEnvelope(ctx context.Context, d statement.Digest) (*statement.Envelope, error) {
	return c.envelope(ctx, jobPath(d)+"/envelope", d)
}

// Claim takes a queued job of one of the classes, whose contract names the caller
// as an operator. It waits for one, at most for wait, or until recall is closed; then ErrNoJob. Nil is never closed.
func (c *Client) Claim(ctx context.Context, classes []string, wait time.Duration, recall <-chan struct{}) (*wire.Claim, error) {
	k := call{method: http.MethodPost, path: "/v1/claim", wait: wait}
	in := wire.ClaimRequest{Classes: classes, WaitMS: wait.Milliseconds()}
	if recall != nil {
		in.Poll = nonce()
		defer c.recaller(ctx, in.Poll, recall)()
	}
	var out wire.Claim
	if err := c.json(ctx, k, &in, &out); err != nil {
		return nil, err
	}
	if out.Lease == "" {
		return nil, ErrNoJob
	}
	return &out, nil
}

// recallAgain is how long a recall may take to have its question answered before it is sent again: it may have overtaken it. It doubles.
const recallAgain = 20 * time.Millisecond

// recaller ends a question for a job at the exchange once recall is closed, until stop is called, which waits for what is under way. The question
// itself is answered then: with none, or with the job that was leased before.
func (c *Client) recaller(ctx context.Context, poll string, recall <-chan struct{}) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	asking.Go(func() {
		select {
		case <-ctx.Done():
			return
		case <-recall:
		}
		for pause := recallAgain; ctx.Err() == nil; pause = min(2*pause, maxPause) {
			_ = c.json(ctx, call{method: http.MethodPost, path: "/v1/claim/recall"}, &wire.Recall{Poll: poll}, nil) // the question ends by itself, later
			_ = sleep(ctx, pause)
		}
	})
	return func() { cancel(); asking.Wait() }
}

// nonce is random, in 32 hex digits.
func nonce() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand aborts the process instead
	return hex.EncodeToString(b[:])
}

// Renew renews the lease for another Claim.LeaseMS. CodeLeaseLost: the job is another's now.
func (c *Client) Renew(ctx context.Context, job statement.Digest, lease string) error {
	return c.json(ctx, call{method: http.MethodPost, path: jobPath(job) + "/lease"}, &wire.Heartbeat{Lease: lease}, nil)
}

// SendMessages puts messages into the mailboxes of the job's brokers. What does
// not fit into one request goes in several, each of them all or none.
func (c *Client) SendMessages(ctx context.Context, job statement.Digest, lease string, m []wire.Outgoing) error {
	for len(m) > 0 {
		n := fitting(m)
		in := wire.Messages{Lease: lease, ID: nonce(), Messages: m[:n]}
		if err := c.json(ctx, call{method: http.MethodPost, path: jobPath(job) + "/messages"}, &in, nil); err != nil {
			return err
		}
		m = m[n:]
	}
	return nil
}

// fitting is how many of the first messages fit into one request: at least one.
func fitting(m []wire.Outgoing) int {
	size := 0
	for i := range m {
		if size += len(m[i].Body); i > 0 && (size > wire.MaxMessage || i >= wire.MaxOutgoing) {
			return i
		}
	}
	return len(m)
}

// Replies returns the answers of this attempt that a says, waiting as Mailbox does.
func (c *Client) Replies(ctx context.Context, job statement.Digest, lease string, a wire.Await) (*wire.Replies, error) {
	var out wire.Replies
	q := leaseQuery(lease, a.After, a.Wait)
	if a.Want > 0 {
		q.Set("want", strconv.Itoa(a.Want))
	}
	k := call{method: http.MethodGet, path: jobPath(job) + "/replies", query: q, wait: a.Wait}
	if err := c.json(ctx, k, nil, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// ReportStage tells the coarse step that the job is in.
func (c *Client) ReportStage(ctx context.Context, job statement.Digest, lease, name string) error {
	return c.json(ctx, call{method: http.MethodPost, path: jobPath(job) + "/stage"}, &wire.StageReport{Lease: lease, Name: name}, nil)
}

// PutArtifact leaves what the enclave made. It can be read once the attempt has finished.
func (c *Client) PutArtifact(ctx context.Context, job statement.Digest, lease, name string, body []byte) error {
	k := call{method: http.MethodPut, path: jobPath(job) + "/artifacts/" + name, query: url.Values{"lease": {lease}}}
	k.bytes(body)
	return c.json(ctx, k, nil, nil)
}

// Finish ends the attempt. It is durable when the call returns, with all artifacts.
func (c *Client) Finish(ctx context.Context, job statement.Digest, f wire.Finish) error {
	b, err := f.Encode()
	if err != nil {
		return err
	}
	k := call{method: http.MethodPost, path: jobPath(job) + "/finish"}
	k.bytes(b)
	return c.json(ctx, k, nil, nil)
}

// Artifact fetches what a finished job left for the caller.
func (c *Client) Artifact(ctx context.Context, job statement.Digest, name string) ([]byte, error) {
	var b []byte
	err := c.retry(ctx, func(ctx context.Context) error {
		resp, err := c.once(ctx, call{method: http.MethodGet, path: jobPath(job) + "/artifacts/" + name, stream: true})
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		b, err = io.ReadAll(io.LimitReader(resp.Body, wire.MaxArtifact+1))
		if err != nil {
			return errCutOff
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(b) > wire.MaxArtifact {
		return nil, untrusted("exchange gave more bytes than an artifact may have")
	}
	return b, nil
}
