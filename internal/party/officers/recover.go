package officers

import (
	"context"
	"os"
	"path/filepath"

	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// Recover puts lists back into force that a ledger restored from an old copy has forgotten: those in the home folder that follow from
// the one that it names and that enough officers approved, as their approvals beside it show. A list alone proves nothing.
func (g *Gate) Recover(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		now, d, err := g.InForce()
		if err != nil {
			return err
		}
		next, err := g.following(now, d)
		if err != nil || next == "" {
			return err
		}
		if _, err := g.Ledger.Append(ctx, ledger.Entry{Kind: ledger.KindOfficers, About: next}, nil); err != nil {
			return err
		}
	}
}

// following is an approved list after the one in force, or "".
func (g *Gate) following(now *List, d statement.Digest) (statement.Digest, error) {
	files, err := filepath.Glob(filepath.Join(g.Home.Officers(), "lists", "*.json"))
	if err != nil {
		return "", err
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		next, err := decodeList(src)
		if err != nil || next.Party != g.Self || next.Previous != d {
			continue
		}
		ok, err := g.enough(now, d, next, src)
		if err != nil {
			return "", err
		}
		if ok {
			return statement.Sum(src), nil
		}
	}
	return "", nil
}

// enough reports whether a change of the list was approved by all who must.
func (g *Gate) enough(now *List, d statement.Digest, next *List, payload []byte) (bool, error) {
	for _, a := range changing(now, d, next, payload) {
		got, err := g.approvals(a)
		if err != nil || int64(len(got)) < a.list.Threshold {
			return false, err
		}
	}
	return true, nil
}

// changing are the lists whose officers must approve a change.
func changing(now *List, d statement.Digest, next *List, payload []byte) []asked {
	var out []asked
	if now != nil && now.requires(statement.ActionOfficers) {
		out = append(out, asked{list: now, digest: d, action: statement.ActionOfficers, payload: payload})
	}
	if next.requires(statement.ActionOfficers) {
		out = append(out, asked{list: next, digest: statement.Sum(payload), action: statement.ActionOfficers, payload: payload})
	}
	return out
}
