package dcap

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/cordon-exchange/cordon/evidence/remembered"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

// Kinds of evidence.
const (
	KindSGX = "sgx-dcap"
	KindTDX = "tdx-dcap"
)

// Numbers of the formats (docs/spec/evidence.md, section 7.1).
const (
	headerSize    = 48
	enclaveSize   = 384
	td10Size      = 584
	td15Size      = 648
	ecdsaP256     = 2 // attestation key type
	teeSGX        = 0
	teeTDX        = 0x81
	certPCKChain  = 5 // certification data: PEM chain of the PCK certificate
	certQEReport  = 6 // certification data: QE report and its own certification data
	bodyEnclave   = 1 // v5 body types
	bodyTD10      = 2
	bodyTD15      = 3
	intelQEVendor = "939a7233f79c4ca9940a0db3957f0607"
)

// Quote is what the bytes of a quote say. Nothing of it is proved.
type Quote struct {
	Kind     string
	Version  int
	Enclave  *Enclave // of SGX, else nil
	TD       *TD      // of TDX, else nil
	PCK      PCK
	Trailing int  // bytes behind the quote: devices pad with zeros
	Foreign  bool // some of them are not zero; they are no part of the quote, and Appraise refuses them

	signed    []byte // header and body
	sig, key  []byte // of the attestation key, the key itself
	qeReport  []byte
	qe        *Enclave
	qeSig     []byte // by the PCK key
	qeAuth    []byte
	certChain chain
}

// Parse reads a quote. It proves nothing.
func Parse(raw []byte) (*Quote, error) { return parse(raw, nil, time.Time{}) }

// parse remembers what certificates say.
func parse(raw []byte, m *remembered.Memory, at time.Time) (*Quote, error) {
	if len(raw) > MaxQuote {
		return nil, malformed("quote of %d bytes", len(raw))
	}
	c := &cursor{b: bytes.Clone(raw)}
	q := new(Quote)
	size, tee, err := q.header(c)
	if err != nil {
		return nil, err
	}
	body := c.take(size)
	q.signed = c.since()
	sigs := &cursor{b: c.take(int(c.u32()))}
	rest := c.rest()
	if c.short {
		return nil, malformed("quote ends early")
	}
	q.Trailing, q.Foreign = len(rest), len(bytes.Trim(rest, "\x00")) > 0
	if tee == teeSGX {
		q.Kind, q.Enclave = KindSGX, parseEnclave(body)
	} else {
		q.Kind, q.TD = KindTDX, parseTD(body)
	}
	if err := q.signatures(sigs, m, at); err != nil {
		return nil, err
	}
	if err := q.readPCK(m, at); err != nil {
		return nil, err
	}
	return q, nil
}

// header reads the header, and of v5 the descriptor of the body, and says how long the body is.
func (q *Quote) header(c *cursor) (size int, tee uint32, err error) {
	h := c.take(headerSize)
	if c.short {
		return 0, 0, malformed("quote ends in its header")
	}
	q.Version, tee = int(binary.LittleEndian.Uint16(h)), binary.LittleEndian.Uint32(h[4:])
	if t := binary.LittleEndian.Uint16(h[2:]); t != ecdsaP256 {
		return 0, 0, fmt.Errorf("%w: %w: attestation key of type %d", stage.Parse, stage.Alg, t)
	}
	if hex.EncodeToString(h[12:28]) != intelQEVendor {
		return 0, 0, malformed("quoting enclave of another vendor")
	}
	size = enclaveSize
	switch {
	case q.Version == 3 && tee == teeSGX, q.Version == 4 && tee == teeSGX:
	case q.Version == 4 && tee == teeTDX:
		size = td10Size
	case q.Version == 5:
		return q.descriptor(c, tee)
	default:
		return 0, 0, malformed("quote of version %d, TEE type %#x", q.Version, tee)
	}
	return size, tee, nil
}

func (q *Quote) descriptor(c *cursor, tee uint32) (int, uint32, error) {
	kind, size := c.u16(), c.u32()
	switch {
	case kind == bodyEnclave && size == enclaveSize && tee == teeSGX:
	case kind == bodyTD10 && size == td10Size && tee == teeTDX:
	case kind == bodyTD15 && size == td15Size && tee == teeTDX:
	default:
		return 0, 0, malformed("body of type %d and %d bytes, TEE type %#x", kind, size, tee)
	}
	return int(size), tee, nil
}

// signatures reads the signature data, of which nothing may be left over.
func (q *Quote) signatures(c *cursor, m *remembered.Memory, at time.Time) error {
	q.sig, q.key = c.take(64), c.take(64)
	if q.Version >= 4 {
		kind, inner := c.u16(), c.take(int(c.u32()))
		if kind != certQEReport || len(c.rest()) > 0 || c.short {
			return malformed("certification data of type %d, want %d alone", kind, certQEReport)
		}
		c = &cursor{b: inner}
	}
	q.qeReport, q.qeSig = c.take(enclaveSize), c.take(64)
	q.qeAuth = c.take(int(c.u16()))
	kind, pem := c.u16(), c.take(int(c.u32()))
	switch {
	case c.short:
		return malformed("signature data ends early")
	case kind != certPCKChain:
		return malformed("certification data of type %d, want %d", kind, certPCKChain)
	case len(c.rest()) > 0:
		return malformed("data behind the certification data")
	}
	q.qe = parseEnclave(q.qeReport)
	var err error
	// A chain that can't be read is a chain that does not lead to the root.
	if q.certChain, err = parseChain(m, at, string(bytes.TrimRight(pem, "\x00"))); err != nil {
		return fmt.Errorf("%w: %w: PCK certificates: %v", stage.Parse, stage.Chain, err)
	}
	return nil
}

// readPCK reads the leaf's extension.
func (q *Quote) readPCK(m *remembered.Memory, at time.Time) error {
	var err error
	q.PCK, err = remembered.Do(m, "dcap/pck", at, [][]byte{q.certChain.leaf.Raw}, func() (PCK, remembered.Span, error) {
		p, err := parsePCK(q.certChain.leaf)
		return p, remembered.Always(), err
	})
	if err != nil {
		return fmt.Errorf("%w: %w: PCK certificate: %v", stage.Parse, stage.Chain, err)
	}
	q.PCK.CA = q.certChain.issuer.Subject.CommonName
	return nil
}

// Debug is true if the host can read the enclave's memory: SGX ATTRIBUTES.DEBUG, TD ATTRIBUTES.DEBUG.
func (q *Quote) Debug() bool {
	if q.TD != nil {
		return q.TD.Attributes[0]&1 != 0
	}
	return q.Enclave.Attributes[0]&2 != 0
}

// ReportData is what the enclave bound into its report.
func (q *Quote) ReportData() [64]byte {
	if q.TD != nil {
		return q.TD.ReportData
	}
	return q.Enclave.ReportData
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{stage.Parse}, args...)...)
}

// cursor reads from the front, and remembers that it once could not.
type cursor struct {
	b     []byte
	at    int
	short bool
}

// take returns the next n bytes, or none.
func (c *cursor) take(n int) []byte {
	if c.short || n < 0 || n > len(c.b)-c.at {
		c.short = true
		return nil
	}
	c.at += n
	return c.b[c.at-n : c.at : c.at]
}

func (c *cursor) u16() uint16 {
	if b := c.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if b := c.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) since() []byte { return c.b[:c.at:c.at] }
func (c *cursor) rest() []byte  { return c.b[c.at:] }
