package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
)

// ErrEncoding says that bytes are not the encoding of a plan.
var ErrEncoding = errors.New("not an encoding of a plan")

// Encode gives the canonical bytes of the plan, docs/spec/plan-1.md.
func (p *Plan) Encode() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	var v any = p
	if p.Program != nil {
		v = programPlan{p.Encoding, p.Purpose, p.Asker, p.Sources, p.Program}
	}
	if err := e.Encode(v); err != nil {
		panic("policy: a plan has only strings, integers and lists: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// DecodePlan reads a plan. What it accepts encodes to the same bytes.
func DecodePlan(b []byte) (*Plan, error) {
	if len(b) > maxPlanBytes {
		return nil, ErrEncoding
	}
	p := new(Plan)
	if programPrefix := []byte(`{"encoding":"` + EncodingProgram + `"`); bytes.HasPrefix(b, programPrefix) {
		var q programPlan
		if !decodeOnly(b, &q) || q.Program == nil {
			return nil, ErrEncoding
		}
		p = &Plan{Encoding: q.Encoding, Purpose: q.Purpose, Asker: q.Asker, Program: q.Program}
		p.Sources = q.Sources
	} else if !decodeOnly(b, p) {
		return nil, ErrEncoding
	}
	if !p.wellFormed() || !bytes.Equal(p.Encode(), b) {
		return nil, ErrEncoding
	}
	return p, nil
}

// decodeOnly reads one JSON value with known fields and nothing behind it.
func decodeOnly(b []byte, v any) bool {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if dec.Decode(v) != nil {
		return false
	}
	_, err := dec.Token()
	return errors.Is(err, io.EOF)
}

// Digest names the plan: "sha256:" and 64 hex digits over its canonical bytes.
func (p *Plan) Digest() string { return digest("cordon/"+p.Encoding, p.Encode()) }

// SaltedDigest names the plan to those who hold the job's salt; nobody else can test a guess of the SQL against it.
func (p *Plan) SaltedDigest(salt []byte) string {
	return digest("cordon/"+p.Encoding+"/salted", salt, p.Encode())
}

// digest hashes a label and parts, each framed by its length in 8 bytes, big-endian.
func digest(label string, parts ...[]byte) string {
	h := sha256.New()
	for _, part := range append([][]byte{[]byte(label)}, parts...) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write(part)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// programPlan is the encoded form of a plan that holds a program.
type programPlan struct {
	Encoding string       `json:"encoding"`
	Purpose  string       `json:"purpose"`
	Asker    []string     `json:"asker"`
	Sources  []PlanSource `json:"sources"`
	Program  *Program     `json:"program"`
}
