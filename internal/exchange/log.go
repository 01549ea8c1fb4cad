package exchange

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"

	"github.com/cordon-exchange/cordon/internal/exchange/logtree"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
)

// logged wraps a handler of an exchange that keeps a log.
func (s *Server) logged(f func(*call) error) func(*call) error {
	return func(c *call) error {
		if s.tlog == nil {
			return refuse(http.StatusNotFound, wire.CodeNotFound, "this exchange keeps no log", "ask its operator")
		}
		return f(c)
	}
}

// getLog tells the key of the log. What it is worth, whoever pins it decides.
func (s *Server) getLog(c *call) error { return c.answer(wire.Log{Key: s.tlog.key.String()}) }

// have is the size that a caller of a long poll has already; -1 for none.
func (c *call) have() (have, wait int64, err error) {
	p, err := c.params("have", "wait_ms")
	if err != nil {
		return 0, 0, err
	}
	if wait, err = p.number("wait_ms"); err != nil {
		return 0, 0, err
	}
	have = -1
	if p["have"] != "" {
		have, err = p.number("have")
	}
	return have, wait, err
}

// getLogCheckpoint returns the newest checkpoint whose size is not the one that the caller has: a smaller one is news, too.
func (s *Server) getLogCheckpoint(c *call) error {
	have, wait, err := c.have()
	if err != nil {
		return err
	}
	out := wire.LogCheckpoint{}
	err = s.poll(c, logTopic, waitOf(wait), func(ctx context.Context) (bool, error) {
		if err := s.tlog.stalled(); err != nil {
			return false, err
		}
		p, err := s.tlog.published(ctx)
		if err != nil || p.Size == have || p.Note == nil {
			return false, err
		}
		out = wire.LogCheckpoint{Size: p.Size, Note: p.Note}
		return true, nil
	})
	if err != nil {
		return err
	}
	return c.answer(out)
}

// getLogRound is the same for the checkpoint that all witnesses are asked to cosign.
func (s *Server) getLogRound(c *call) error {
	have, wait, err := c.have()
	if err != nil {
		return err
	}
	out := wire.LogCheckpoint{}
	err = s.poll(c, roundTopic, waitOf(wait), func(ctx context.Context) (bool, error) {
		if err := s.tlog.stalled(); err != nil {
			return false, err
		}
		list, err := s.store.Rounds(ctx, 1)
		if err != nil || len(list) == 0 || list[0].Size == have {
			return false, err
		}
		out = wire.LogCheckpoint{Size: list[0].Size, Note: list[0].Note}
		return true, nil
	})
	if err != nil {
		return err
	}
	return c.answer(out)
}

// postLogCosignature keeps a cosignature, if it is the caller's own over a round.
func (s *Server) postLogCosignature(c *call) error {
	var in wire.LogCosign
	if err := c.decode(&in); err != nil {
		return err
	}
	list, err := s.store.Rounds(c.r.Context(), store.KeptRounds)
	if err != nil {
		return err
	}
	for i := range list {
		if list[i].Size != in.Size {
			continue
		}
		cp, err := s.tlog.key.Open(list[i].Note)
		if err != nil {
			return errors.Join(store.ErrDamaged, err)
		}
		return s.keepCosignature(c, cp, &in)
	}
	return notFound()
}

func (s *Server) keepCosignature(c *call, cp *translog.Signed, in *wire.LogCosign) error {
	w, err := in.Cosignature.Verify(cp)
	if err != nil {
		return badSignature("not a cosignature over this checkpoint")
	}
	if w.Party != c.party {
		return forbidden("cosignatures are handed in by their witness")
	}
	out := store.Cosignature{Size: in.Size, Party: w.Party, Line: in.Cosignature.Line, Key: in.Cosignature.Key}
	if e := in.Cosignature.Certificate; e != nil {
		if err := s.unrevoked(c.r.Context(), []statement.OnlineKey{{Party: w.Party, Key: w.Key}}); err != nil {
			return err
		}
		out.Certificate = e.Bytes()
	}
	if err := s.store.AddCosignature(c.r.Context(), out); err != nil {
		return err
	}
	return c.answer(wire.Empty{})
}

// maxLookedAt is how many rounds are looked at for one that all wanted witnesses have cosigned.
const maxLookedAt = 64

// postLogCosigned returns the newest round that all of a list of parties have cosigned.
func (s *Server) postLogCosigned(c *call) error {
	var in wire.LogWanted
	if err := c.decode(&in); err != nil {
		return err
	}
	if len(in.By) > wire.MaxLogWitnesses || len(in.Also) > wire.MaxLogWitnesses || in.AtLeast < 0 {
		return malformed("more witnesses than a contract can name, or no size")
	}
	list, err := s.store.Rounds(c.r.Context(), maxLookedAt)
	if err != nil {
		return err
	}
	for i := range list {
		if list[i].Size < in.AtLeast {
			break
		}
		got, err := s.store.Cosignatures(c.r.Context(), list[i].Size)
		if err != nil {
			return err
		}
		out, all, err := cosigned(list[i], got, &in)
		if err != nil {
			return err
		}
		if all {
			return c.answer(out)
		}
	}
	return notFound()
}

func cosigned(cp store.Checkpoint, list []store.Cosignature, in *wire.LogWanted) (out wire.LogCosigned, all bool, err error) {
	out.LogCheckpoint = wire.LogCheckpoint{Size: cp.Size, Note: cp.Note}
	have := map[statement.Fingerprint]bool{}
	for _, k := range list {
		if !slices.Contains(in.By, k.Party) && !slices.Contains(in.Also, k.Party) {
			continue // readers take so many only; and who looks when is nobody else's to know
		}
		have[k.Party] = true
		co := translog.Cosignature{Line: k.Line, Key: k.Key}
		if k.Certificate != nil {
			if co.Certificate, err = statement.ParseEnvelope(k.Certificate); err != nil {
				return out, false, errors.Join(store.ErrDamaged, err)
			}
		}
		out.Cosignatures = append(out.Cosignatures, co)
	}
	for _, f := range in.By {
		if !have[f] {
			return out, false, nil
		}
	}
	return out, true, nil
}

// getLogLeaves returns leaves of the tree, up to what was published.
func (s *Server) getLogLeaves(c *call) error {
	p, err := c.params("from", "limit")
	if err != nil {
		return err
	}
	from, err := p.number("from")
	if err != nil {
		return err
	}
	limit, err := p.number("limit")
	if err != nil {
		return err
	}
	if limit == 0 || limit > wire.MaxLogLeaves {
		limit = wire.MaxLogLeaves
	}
	cp, err := s.tlog.published(c.r.Context())
	if err != nil {
		return err
	}
	out := wire.LogLeaves{From: from}
	if n := min(limit, cp.Size-from); n > 0 {
		if out.Leaves, err = s.tlog.leaves(from, n); err != nil {
			return err
		}
	}
	return c.answer(out)
}

// getLogTile returns a file of the tree, as C2SP tlog-tiles names it.
func (s *Server) getLogTile(c *call) error {
	b, err := s.tlog.tree.File(c.r.PathValue("path"))
	if errors.Is(err, logtree.ErrNotFound) {
		return notFound()
	}
	if err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/octet-stream")
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(b) // a caller that is gone asks again
	return nil
}

// mayRead reports whether an entry concerns the caller: it may read the statement, or is a party of the job.
func (c *call) mayRead(ctx context.Context, e *store.LogEntry) (bool, error) {
	switch e.Kind {
	case translog.KindStatement:
		st, err := c.s.store.Statement(ctx, e.About)
		return err == nil && st.VisibleTo(c.party), known(err)
	case translog.KindJob:
		role, err := c.s.role(ctx, e.About, c.party)
		return role&store.Concerned != 0, known(err)
	case translog.KindReceipt:
		role, err := c.s.role(ctx, e.Job, c.party)
		return role&store.Concerned != 0, known(err)
	}
	return false, nil
}

// known is an error other than that something is not there: what is gone concerns nobody.
func known(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// getLogProofs returns salts and proofs of what concerns the caller.
func (s *Server) getLogProofs(c *call) error {
	d, err := c.digest()
	if err != nil {
		return err
	}
	p, err := c.params("size", "wait_ms")
	if err != nil {
		return err
	}
	size, err := p.number("size")
	if err != nil {
		return err
	}
	wait, err := p.number("wait_ms")
	if err != nil {
		return err
	}
	var out *wire.LogProofs
	err = s.poll(c, logTopic, waitOf(wait), func(ctx context.Context) (found bool, err error) {
		out, err = s.proofs(ctx, c, d, size)
		return err == nil && len(out.Entries) > 0 && out.Waiting == 0, err
	})
	if err != nil {
		return err
	}
	return c.answer(out)
}

func (s *Server) proofs(ctx context.Context, c *call, d statement.Digest, size int64) (*wire.LogProofs, error) {
	cp, err := s.tlog.checkpointAt(ctx, size)
	if err != nil {
		return nil, err
	}
	out := &wire.LogProofs{Checkpoint: wire.LogCheckpoint{Size: cp.Size, Note: cp.Note}}
	p, err := s.tlog.prover(cp)
	if err != nil {
		return nil, err
	}
	allowed, err := s.addProofs(ctx, c, d, out, p)
	if err != nil {
		return nil, err
	}
	if !allowed {
		return nil, notFound()
	}
	return out, nil
}

// addProofs adds what is logged about a digest and concerns the caller; false where nothing does.
func (s *Server) addProofs(ctx context.Context, c *call, d statement.Digest, out *wire.LogProofs, p *prover) (allowed bool, err error) {
	list, err := s.store.LogEntriesAbout(ctx, d)
	if err != nil {
		return false, err
	}
	for i := range list {
		e := &list[i]
		may, err := c.mayRead(ctx, e)
		if err != nil {
			return false, err
		}
		if !may {
			continue
		}
		allowed = true
		if e.Index < 0 || e.Index >= out.Checkpoint.Size {
			out.Waiting++
			continue
		}
		proof, err := p.inclusion(ctx, e)
		if err != nil {
			return false, err
		}
		out.Entries = append(out.Entries, translog.Entry{Kind: e.Kind, Digest: d, Salt: e.Salt, Index: e.Index, TimeMS: e.TimeMS, Proof: proof})
	}
	return allowed, nil
}

// postLogProofs is the same for many digests, of which some may not be there.
func (s *Server) postLogProofs(c *call) error {
	var in wire.LogAsk
	if err := c.decode(&in); err != nil {
		return err
	}
	if len(in.Digests) > wire.MaxLogAsked || in.Size < 0 {
		return malformed("too many digests, or no size")
	}
	ctx := c.r.Context()
	cp, err := s.tlog.checkpointAt(ctx, in.Size)
	if err != nil {
		return err
	}
	out := &wire.LogProofs{Checkpoint: wire.LogCheckpoint{Size: cp.Size, Note: cp.Note}}
	p, err := s.tlog.prover(cp)
	if err != nil {
		return err
	}
	for _, d := range in.Digests {
		if !d.Valid() {
			return malformed("not a digest")
		}
		if _, err := s.addProofs(ctx, c, d, out, p); err != nil {
			return err
		}
	}
	return c.answer(out)
}

// checkpointAt is the published checkpoint of a size that is kept; for 0, the newest.
func (l *tlog) checkpointAt(ctx context.Context, size int64) (*store.Checkpoint, error) {
	cp, err := l.published(ctx)
	if err != nil || size == 0 || cp.Size == size {
		return cp, err
	}
	list, err := l.store.Rounds(ctx, store.KeptRounds)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].Size == size {
			return &list[i], nil
		}
	}
	return nil, notFound()
}

// postLogCommitment queues the caller's own commitment. Nobody learns to what.
func (s *Server) postLogCommitment(c *call) error {
	var in wire.LogCommitment
	if err := c.decode(&in); err != nil {
		return err
	}
	if len(in.Commitment) != wire.LogCommitmentSize {
		return malformed("a commitment has 32 bytes")
	}
	kind, err := ownKind(in.Kind)
	if err != nil {
		return err
	}
	err = s.store.AddCommitment(c.r.Context(), c.party, kind, in.Commitment, wire.MaxLogWaiting)
	if errors.Is(err, store.ErrTooMany) {
		return tooMany("too many commitments of this party wait for their place in the log")
	}
	if err != nil {
		return err
	}
	s.tlog.poke()
	return c.answer(wire.Empty{})
}

// ownKind is a kind of which a party may have commitments of its own logged. What the exchange accepts it logs itself.
func ownKind(kind string) (string, error) {
	switch kind {
	case "", translog.KindAnchor:
		return translog.KindAnchor, nil
	case translog.KindReceipt:
		return kind, nil
	}
	return "", malformed("a party's own commitments are anchors and receipts")
}

// getLogCommitments returns the caller's own commitments of a kind, or one of them, with proofs to the checkpoint of a size.
func (s *Server) getLogCommitments(c *call) error {
	p, err := c.params("limit", "commitment", "size", "kind")
	if err != nil {
		return err
	}
	limit, err := p.number("limit")
	if err != nil {
		return err
	}
	size, err := p.number("size")
	if err != nil {
		return err
	}
	ctx := c.r.Context()
	list, err := s.own(ctx, c, p["kind"], p["commitment"], limit)
	if err != nil {
		return err
	}
	cp, err := s.tlog.checkpointAt(ctx, size)
	if err != nil {
		return err
	}
	out := wire.LogOwnList{Checkpoint: wire.LogCheckpoint{Size: cp.Size, Note: cp.Note}}
	prover, err := s.tlog.prover(cp)
	if err != nil {
		return err
	}
	for i := range list {
		e := &list[i]
		if e.Index < 0 || e.Index >= cp.Size {
			continue
		}
		proof, err := prover.inclusion(ctx, e)
		if err != nil {
			return err
		}
		out.Items = append(out.Items, wire.LogOwn{Commitment: e.Commitment, Index: e.Index, TimeMS: e.TimeMS, Proof: proof})
	}
	return c.answer(out)
}

func (s *Server) own(ctx context.Context, c *call, kind, commitment string, limit int64) ([]store.LogEntry, error) {
	if commitment == "" {
		if limit == 0 || limit > wire.MaxLogOwn {
			limit = wire.MaxLogOwn
		}
		kind, err := ownKind(kind)
		if err != nil {
			return nil, err
		}
		return s.store.LogEntriesBy(ctx, c.party, kind, int(limit))
	}
	b, err := hex.DecodeString(commitment)
	if err != nil || len(b) != wire.LogCommitmentSize || hex.EncodeToString(b) != commitment {
		return nil, malformed("parameter commitment is not 64 hex digits")
	}
	e, err := s.store.LogEntryOwn(ctx, c.party, b)
	if err != nil {
		return nil, err
	}
	return []store.LogEntry{*e}, nil
}
