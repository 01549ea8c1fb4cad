package policy

// Encode gives the canonical bytes of the plan, docs/spec/plan-1.md.
func (p *Plan) Encode() []byte { return nil }

// DecodePlan reads a plan. What it accepts encodes to the same bytes.
func DecodePlan(b []byte) (*Plan, error) { return nil, errEncoding }

// Digest names the plan: "sha256:" and 64 hex digits over its canonical bytes.
func (p *Plan) Digest() string { return "" }

// SaltedDigest names the plan to those who hold the job's salt; nobody else can test a guess of the SQL against it.
func (p *Plan) SaltedDigest(salt []byte) string { return "" }

// Columns returns the physical columns that the source with that offer digest must release, sorted.
func (p *Plan) Columns(offer string) []string {
	for _, s := range p.Sources {
		if s.Offer == offer {
			return append([]string(nil), s.Columns...)
		}
	}
	return nil
}
