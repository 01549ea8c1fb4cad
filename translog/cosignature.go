package translog

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/cordon-exchange/cordon/statement"
)

// Cosignature is what a party's agent says of a checkpoint: it goes on from all that this witness has cosigned before, and was the
// log's newest at that time (C2SP tlog-cosignature, cosignature/v1). Name of the witness is the party's fingerprint.
type Cosignature struct {
	Line        string              `json:"line"`                  // of the note, without its line end
	Key         string              `json:"key"`                   // statement.PublicKey text
	Certificate *statement.Envelope `json:"certificate,omitempty"` // where the key is not the party's root
}

const (
	cosignatureType = 0x04
	lineStart       = "\u2014 "
	blobSize        = 4 + 8 + ed25519.SignatureSize
	maxSeconds      = maxTime / 1000
	// A key that acknowledges for a party may cosign for it: both say what the party's own records hold.
	cosignPurpose = "ack"
)

func cosigned(timeS int64, text string) []byte {
	return fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", timeS, text)
}

func keyID(name string, k statement.PublicKey) [4]byte {
	h := sha256.New()
	h.Write([]byte(name + "\n"))
	h.Write([]byte{cosignatureType})
	h.Write(k[:])
	return [4]byte(h.Sum(nil)[:4])
}

// Cosign signs a checkpoint as witness, at a time in Unix seconds. A key with a certificate must be allowed to by it. The caller has
// made sure of what the cosignature says, and durably remembers that it does.
func Cosign(s *Signed, k statement.Signer, timeS int64) (*Cosignature, error) {
	c := &Cosignature{Key: k.Public().String()}
	if cert := statement.CertificateOf(k); cert != nil {
		if err := cert.Body().Covers(cosignPurpose, timeS*1000); err != nil {
			return nil, err
		}
		c.Certificate = cert.Envelope()
	}
	sig, err := k.Sign(cosigned(timeS, s.text))
	if err != nil {
		return nil, err
	}
	name := string(statement.PartyOf(k))
	id := keyID(name, k.Public())
	blob := binary.BigEndian.AppendUint64(id[:], uint64(timeS))
	c.Line = lineStart + name + " " + base64.StdEncoding.EncodeToString(append(blob, sig...))
	return c, nil
}

// parsedLine is a cosignature's line, read.
type parsedLine struct {
	name  statement.Fingerprint
	id    [4]byte
	timeS int64
	sig   []byte
}

func parseLine(line string) (*parsedLine, error) {
	bad := fmt.Errorf("%w: cosignature", ErrMalformed)
	rest, ok := strings.CutPrefix(line, lineStart)
	name, text, two := strings.Cut(rest, " ")
	blob, err := base64.StdEncoding.Strict().DecodeString(text)
	if !ok || !two || err != nil || len(blob) != blobSize || strings.ContainsAny(text, "\r\n") || !statement.Fingerprint(name).Valid() {
		return nil, bad
	}
	t := binary.BigEndian.Uint64(blob[4:12])
	if t == 0 || t > maxSeconds {
		return nil, bad
	}
	return &parsedLine{name: statement.Fingerprint(name), id: [4]byte(blob), timeS: int64(t), sig: blob[12:]}, nil
}

// Witness is a party that cosigned a checkpoint, and when it says that it did.
type Witness struct {
	Party statement.Fingerprint
	Key   statement.PublicKey
	TimeS int64 // Unix seconds
}

// Verify checks the cosignature over a checkpoint. It names a party whose root key made it, or certified the key that did.
func (c *Cosignature) Verify(s *Signed) (*Witness, error) {
	l, err := parseLine(c.Line)
	if err != nil {
		return nil, err
	}
	k, err := statement.ParsePublicKey(c.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: key of a witness", ErrMalformed)
	}
	if err := speaksFor(k, l, c.Certificate); err != nil {
		return nil, err
	}
	if l.id != keyID(string(l.name), k) || !k.Verify(cosigned(l.timeS, s.text), l.sig) {
		return nil, fmt.Errorf("%w: of a witness", ErrSignature)
	}
	return &Witness{Party: l.name, Key: k, TimeS: l.timeS}, nil
}

// speaksFor checks that a key is that of the party named in the line, or was certified by it for cosigning at that time.
func speaksFor(k statement.PublicKey, l *parsedLine, cert *statement.Envelope) error {
	if cert == nil {
		if k.Fingerprint() != l.name {
			return fmt.Errorf("%w: the key is not the witness's", ErrSignature)
		}
		return nil
	}
	c, err := statement.VerifyCertificate(cert)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if c.Body().Party != l.name || c.Body().Key != k.String() {
		return fmt.Errorf("%w: the certificate is of another key or party", ErrSignature)
	}
	if err := c.Body().Covers(cosignPurpose, l.timeS*1000); err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return nil
}

// Quorum checks that enough of a contract's witnesses cosigned a checkpoint: the requester, every owner, and as many together as the
// contract says. Cosignatures by others, and repeated ones, count for nothing; one that is wrong is an error.
func Quorum(s *Signed, list []Cosignature, t *statement.Contract) ([]Witness, error) {
	if t.Log == nil {
		return nil, fmt.Errorf("%w: the contract states no quorum", ErrSignature)
	}
	if s.Origin == "" || len(list) > maxCosignatures {
		return nil, fmt.Errorf("%w: too many cosignatures", ErrMalformed)
	}
	wanted, by := map[statement.Fingerprint]bool{}, map[statement.Fingerprint]bool{}
	for _, f := range t.Log.Witnesses {
		wanted[f] = true
	}
	var out []Witness
	for i := range list {
		w, err := list[i].Verify(s)
		if err != nil {
			return nil, err
		}
		if wanted[w.Party] && !by[w.Party] {
			by[w.Party] = true
			out = append(out, *w)
		}
	}
	for _, f := range append(t.Owners(), t.Requester) {
		if !by[f] {
			return nil, fmt.Errorf("%w: %s did not cosign the checkpoint", ErrSignature, f)
		}
	}
	if int64(len(out)) < t.Log.Quorum {
		return nil, fmt.Errorf("%w: %d of the contract's witnesses cosigned, it wants %d", ErrSignature, len(out), t.Log.Quorum)
	}
	return out, nil
}

// maxCosignatures of one checkpoint.
const maxCosignatures = 4096
