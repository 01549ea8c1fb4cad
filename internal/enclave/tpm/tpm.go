package tpm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// Errors that a caller may tell apart.
var (
	// ErrRefused says that the TPM did not do what it was told. The code is in a *CodeError.
	ErrRefused = errors.New("tpm: command refused")
	// ErrAnswer says that what came back is no answer to the command.
	ErrAnswer = errors.New("tpm: not an answer")
)

// CodeError is the TPM's own word.
type CodeError struct{ Command, Code uint32 }

func (e *CodeError) Error() string {
	return fmt.Sprintf("tpm: command %#x: code %#x", e.Command, e.Code)
}
func (e *CodeError) Unwrap() error { return ErrRefused }

// Device is a TPM. Its methods may not be called concurrently.
type Device struct{ rw io.ReadWriter }

// New speaks to the TPM behind rw: it takes a command in one write and gives the answer back, as /dev/tpmrm0 and a socket of swtpm do.
func New(rw io.ReadWriter) *Device { return &Device{rw: rw} }

// Constants of TPM 2.0 Library, part 2.
const (
	noSessions = 0x8001
	sessions   = 0x8002

	ccPCRExtend     = 0x182
	ccCreatePrimary = 0x131
	ccQuote         = 0x158
	ccPCRRead       = 0x17e

	algSHA256 = 0x000b
	algNull   = 0x0010
	algECDSA  = 0x0018
	algECC    = 0x0023
	curveP256 = 0x0003

	nullHierarchy = 0x40000007
	password      = 0x40000009

	// An attestation key: it signs what its TPM made, nothing else, and never leaves it.
	fixedTPM            = 1 << 1
	fixedParent         = 1 << 4
	sensitiveDataOrigin = 1 << 5
	userWithAuth        = 1 << 6
	restricted          = 1 << 16
	sign                = 1 << 18
)

// Sizes in bytes.
const (
	headerSize = 10
	maxAnswer  = 4096
	// Digest is the size of a register.
	Digest = 32
	// registers of a PC's TPM.
	registers = 24
)

// Extend makes register i the digest of what it was and digest.
func (d *Device) Extend(i uint, digest [Digest]byte) error {
	if i >= registers {
		return ErrRefused
	}
	p := append(u32(1), u16(algSHA256)...)
	_, err := d.run(ccPCRExtend, uint32(i), append(p, digest[:]...))
	return err
}

// Read reads register i.
func (d *Device) Read(i uint) (value [Digest]byte, err error) {
	if i >= registers {
		return value, ErrRefused
	}
	cmd := header(noSessions, ccPCRRead, selection(i))
	body, err := d.exchange(ccPCRRead, noSessions, cmd)
	if err != nil {
		return value, err
	}
	r := &reader{rest: body}
	r.take(4) // how often registers have changed
	same := string(r.take(len(selection(i)))) == string(selection(i))
	one := r.u32() == 1
	b := r.sized()
	if !same || !one || len(b) != Digest || r.left() != 0 || r.bad {
		return value, ErrAnswer
	}
	return [Digest]byte(b), nil
}

// Key is an attestation key. It lives as long as the connection to its TPM.
type Key struct {
	handle uint32
	public []byte
}

// Public is its TPMT_PUBLIC.
func (k *Key) Public() []byte { return k.public }

// NewKey makes an attestation key on P-256 that this TPM alone can use, until it starts anew.
func (d *Device) NewKey() (*Key, error) {
	sensitive := sized([]byte{0, 0, 0, 0}) // no password, no data
	creation := append(u16(0), u32(0)...)  // no outside information, no registers
	body, err := d.run(ccCreatePrimary, nullHierarchy, concat(sensitive, sized(template()), creation))
	if err != nil {
		return nil, err
	}
	r := &reader{rest: body}
	k := &Key{handle: r.u32()}
	r.u32() // size of what follows
	k.public = r.sized()
	if r.bad || len(k.public) == 0 {
		return nil, ErrAnswer
	}
	return k, nil
}

// template is the TPMT_PUBLIC that NewKey asks for.
func template() []byte {
	return concat(
		u16(algECC), u16(algSHA256),
		u32(fixedTPM|fixedParent|sensitiveDataOrigin|userWithAuth|restricted|sign),
		u16(0),                                                                    // no policy
		u16(algNull), u16(algECDSA), u16(algSHA256), u16(curveP256), u16(algNull), // nothing encrypted, ECDSA with SHA-256, no derivation
		u16(0), u16(0), // the point is the TPM's to choose
	)
}

// Quote has k sign register i together with nonce: a TPMS_ATTEST and its TPMT_SIGNATURE.
func (d *Device) Quote(k *Key, i uint, nonce [Digest]byte) (message, signature []byte, err error) {
	if i >= registers {
		return nil, nil, ErrRefused
	}
	body, err := d.run(ccQuote, k.handle, concat(sized(nonce[:]), u16(algNull), selection(i)))
	if err != nil {
		return nil, nil, err
	}
	r := &reader{rest: body}
	size := int(r.u32())
	if r.bad || size > r.left() {
		return nil, nil, ErrAnswer
	}
	r.rest = r.rest[:size] // behind it stands the session
	message = r.sized()
	signature = r.take(r.left())
	if r.bad || len(message) == 0 || len(signature) == 0 {
		return nil, nil, ErrAnswer
	}
	return message, signature, nil
}

// selection is a TPML_PCR_SELECTION of one register of SHA-256.
func selection(i uint) []byte {
	var bits [registers / 8]byte
	bits[i/8] = 1 << (i % 8)
	return concat(u32(1), u16(algSHA256), []byte{byte(len(bits))}, bits[:])
}

// run runs a command on one handle that its empty password opens.
func (d *Device) run(code, handle uint32, params []byte) ([]byte, error) {
	session := concat(u32(password), u16(0), []byte{0}, u16(0))
	cmd := header(sessions, code, concat(u32(handle), u32(uint32(len(session))), session, params))
	return d.exchange(code, sessions, cmd)
}

func header(tag uint16, code uint32, rest []byte) []byte {
	return concat(u16(tag), u32(uint32(headerSize+len(rest))), u32(code), rest)
}

// Answers of a TPM that is busy with itself: the command was not begun (TPM 2.0 Library, part 2, section 6.6.3).
const (
	rcYielded = 0x908
	rcTesting = 0x90a
	rcRetry   = 0x922
)

// How often a busy TPM is asked again, and after how long.
const (
	attempts = 50
	pause    = 20 * time.Millisecond
)

// exchange sends a command and returns what stands behind the header of a success.
func (d *Device) exchange(code uint32, tag uint16, cmd []byte) (answer []byte, err error) {
	for range attempts {
		answer, err = d.once(code, tag, cmd)
		var refused *CodeError
		if !errors.As(err, &refused) || refused.Code != rcRetry && refused.Code != rcTesting && refused.Code != rcYielded {
			break
		}
		time.Sleep(pause)
	}
	return answer, err
}

func (d *Device) once(code uint32, tag uint16, cmd []byte) ([]byte, error) {
	if _, err := d.rw.Write(cmd); err != nil {
		return nil, fmt.Errorf("tpm: command %#x: %w", code, err)
	}
	answer, err := d.receive()
	if err != nil {
		return nil, fmt.Errorf("tpm: answer to %#x: %w", code, err)
	}
	if rc := binary.BigEndian.Uint32(answer[6:]); rc != 0 {
		return nil, &CodeError{Command: code, Code: rc}
	}
	if binary.BigEndian.Uint16(answer) != tag {
		return nil, ErrAnswer
	}
	return answer[headerSize:], nil
}

// receive reads one answer: as many bytes as its header says, in as many reads as it takes.
func (d *Device) receive() ([]byte, error) {
	buf := make([]byte, maxAnswer)
	have, want := 0, headerSize
	for have < want {
		n, err := d.rw.Read(buf[have:])
		have += n
		if have >= headerSize {
			size := binary.BigEndian.Uint32(buf[2:])
			if size < headerSize || size > maxAnswer {
				return nil, ErrAnswer
			}
			want = int(size)
		}
		if have < want && (err != nil || n == 0) {
			return nil, errors.Join(ErrAnswer, err)
		}
	}
	if have != want {
		return nil, ErrAnswer
	}
	return buf[:have], nil
}

func u16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }
func u32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

// sized is a TPM2B: the bytes behind their number.
func sized(b []byte) []byte { return append(u16(uint16(len(b))), b...) }

func concat(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// reader takes an answer apart. Once it runs short it is bad, and gives zeros.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) left() int { return len(r.rest) }

func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.bad, r.rest = true, nil
		return nil
	}
	out := r.rest[:n]
	r.rest = r.rest[n:]
	return out
}

func (r *reader) u32() uint32 {
	b := r.take(4)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint32(b)
}

func (r *reader) sized() []byte {
	b := r.take(2)
	if b == nil {
		return nil
	}
	return r.take(int(binary.BigEndian.Uint16(b)))
}
