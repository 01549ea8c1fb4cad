package client

import (
	"context"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// LogKey asks for the verifier key of the exchange's log. It is the caller's to pin.
func (c *Client) LogKey(ctx context.Context) (string, error) {
	var out wire.Log
	err := c.json(ctx, call{method: http.MethodGet, path: "/v1/log"}, nil, &out)
	return out.Key, err
}

func haveQuery(have int64, wait time.Duration) url.Values {
	v := url.Values{}
	if have >= 0 {
		v.Set("have", strconv.FormatInt(have, 10))
	}
	setInt(v, "wait_ms", wait.Milliseconds())
	return v
}

// LogCheckpoint returns the log's newest checkpoint of another size than have, which is -1 for none; empty, if wait passes without one.
func (c *Client) LogCheckpoint(ctx context.Context, have int64, wait time.Duration) (*wire.LogCheckpoint, error) {
	return c.checkpoint(ctx, "/v1/log/checkpoint", have, wait)
}

// LogRound is LogCheckpoint for the one that witnesses are asked to cosign.
func (c *Client) LogRound(ctx context.Context, have int64, wait time.Duration) (*wire.LogCheckpoint, error) {
	return c.checkpoint(ctx, "/v1/log/round", have, wait)
}

func (c *Client) checkpoint(ctx context.Context, path string, have int64, wait time.Duration) (*wire.LogCheckpoint, error) {
	var out wire.LogCheckpoint
	if err := c.json(ctx, call{method: http.MethodGet, path: path, query: haveQuery(have, wait), wait: wait}, nil, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// LogLeaves returns leaves of the log in order, as many as fit into one answer.
func (c *Client) LogLeaves(ctx context.Context, from, limit int64) (*wire.LogLeaves, error) {
	v := url.Values{}
	setInt(v, "from", from)
	setInt(v, "limit", limit)
	var out wire.LogLeaves
	if err := c.json(ctx, call{method: http.MethodGet, path: "/v1/log/leaves", query: v}, nil, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// LogProofs returns the log's entries about a statement, job or receipt, proven to the checkpoint of a size, or the newest for 0. With
// wait it waits until all are in it.
func (c *Client) LogProofs(ctx context.Context, d statement.Digest, size int64, wait time.Duration) (*wire.LogProofs, error) {
	v := url.Values{}
	setInt(v, "size", size)
	setInt(v, "wait_ms", wait.Milliseconds())
	var out wire.LogProofs
	if err := c.json(ctx, call{method: http.MethodGet, path: "/v1/log/proofs/" + string(d), query: v, wait: wait}, nil, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// LogProofsOf returns the log's entries about several statements, jobs or receipts. What is not there is left out.
func (c *Client) LogProofsOf(ctx context.Context, in *wire.LogAsk) (*wire.LogProofs, error) {
	var out wire.LogProofs
	if err := c.json(ctx, call{method: http.MethodPost, path: "/v1/log/proofs"}, in, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// LogCommit has a commitment of the caller logged, an anchor or of a receipt. Again it changes nothing. It is durable, and waits for its place, when the call returns.
func (c *Client) LogCommit(ctx context.Context, kind string, commitment []byte) error {
	return c.json(ctx, call{method: http.MethodPost, path: "/v1/log/commitments"}, &wire.LogCommitment{Commitment: commitment, Kind: kind}, nil)
}

// LogCommitments are the caller's own of a kind that are in the log, the newest first.
func (c *Client) LogCommitments(ctx context.Context, kind string, limit int64) (*wire.LogOwnList, error) {
	v := url.Values{"kind": {kind}}
	setInt(v, "limit", limit)
	var out wire.LogOwnList
	if err := c.json(ctx, call{method: http.MethodGet, path: "/v1/log/commitments", query: v}, nil, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// LogCommitment is one of the caller's own, proven to the checkpoint of a size; no item where it is not in that yet. CodeNotFound: it was never handed in.
func (c *Client) LogCommitment(ctx context.Context, commitment []byte, size int64) (*wire.LogOwnList, error) {
	v := url.Values{"commitment": {hex.EncodeToString(commitment)}}
	setInt(v, "size", size)
	var out wire.LogOwnList
	if err := c.json(ctx, call{method: http.MethodGet, path: "/v1/log/commitments", query: v}, nil, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// LogCosign hands in a cosignature of a round.
func (c *Client) LogCosign(ctx context.Context, in *wire.LogCosign) error {
	return c.json(ctx, call{method: http.MethodPost, path: "/v1/log/cosignatures"}, in, nil)
}

// LogCosigned is the newest round that all of these parties have cosigned. CodeNotFound: there is none.
func (c *Client) LogCosigned(ctx context.Context, in *wire.LogWanted) (*wire.LogCosigned, error) {
	var out wire.LogCosigned
	if err := c.json(ctx, call{method: http.MethodPost, path: "/v1/log/cosigned"}, in, &out); err != nil {
		return nil, err
	}
	return &out, nil
}
