package statement

import "slices"

// Log names a transparency log and the witnesses whose word a contract's parties want about it (docs/spec/log.md, section 5).
type Log struct {
	Key       string        `json:"key"`       // verifier key of a signed note (C2SP signed-note)
	Witnesses []Fingerprint `json:"witnesses"` // among them the requester and every owner
	Quorum    int64         `json:"quorum"`    // how many of them; the requester and the owners count among these, and none may be missing
}

const (
	maxLogKey    = 256 // bytes
	maxWitnesses = 90  // readers of signed notes stop at a hundred signatures
)

// validLog: a contract without a log asks for none. One side's witness alone is no quorum.
func (t *Contract) validLog(c *check) {
	if t.Log == nil {
		return
	}
	l := t.Log
	c.that(l.Key != "" && len(l.Key) <= maxLogKey, "log key")
	for i := range len(l.Key) {
		c.that(l.Key[i] > ' ' && l.Key[i] < 0x7f, "log key")
	}
	c.fingerprints(l.Witnesses, "log witnesses")
	c.that(len(l.Witnesses) <= maxWitnesses, "log witnesses")
	sides := map[Fingerprint]bool{t.Requester: true}
	for _, o := range t.Owners() {
		sides[o] = true
	}
	for f := range sides {
		c.that(slices.Contains(l.Witnesses, f), "log witnesses")
	}
	c.that(l.Quorum >= int64(len(sides)) && l.Quorum <= int64(len(l.Witnesses)), "log quorum")
}
