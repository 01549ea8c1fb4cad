package sgx

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/big"
	"slices"
	"testing"
)

// key is an RSA key of 3072 bits with the exponent that SGX demands, which crypto/rsa does not make: for tests alone.
func key() (n, d *big.Int) {
	p, _ := new(big.Int).SetString(primeP, 16)
	q, _ := new(big.Int).SetString(primeQ, 16)
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	return new(big.Int).Mul(p, q), new(big.Int).ModInverse(big.NewInt(exponent), phi)
}

const (
	primeP = "eb1a12bf198c47b4b8bb7e431b5f747538dfa84eab96e42f1ba3f3b16436e1a03a201ff945e6c4e759da2eaf6d6a91f721ec04a808fd473e6d994c45be155c23766c8157199d5b84d6d47ae0f3c4d0046c6463a63bef1dcebdd73868806299330ccf872757ec7f903db7699e0fc207b15c1ca4b0bea2d69d17919b3a29b49466a032c61e13fdd45c7d65915bb82724af898c6d11cf2d907d537691e0df1cf157547ad35c6d4276a42b8890127af0d294bd4f3069608d07f4752cb8f5f60b0f3b"
	primeQ = "c51a9d0af0a10d757594979c8a9545aebced1db35d92ad9fa60be774355e41e65bd234aa943eba2dd746cb0dace11cbfac1f12f01c11c49ef99ae411079a993282b6649f83836061e94bc3dcdb07d1f9c3570ceb990af712a23dbf9fd3360ebdb6cf71b7291cf7f114b963adc6483d8c8db71e62f687177e62159c54e75cf8cfedea7d7b6aa603b1d9d494b60d9da4ebb0fd62b5a26717ec1a825f07c85b8e450c7da9316fab2f9cb35381dd535475f59b003aab76ac392ecf7b109d18b8febd"
)

// sign puts a signature over what it now says into a SIGSTRUCT, as Intel's manual has it.
func sign(b []byte) []byte {
	n, d := key()
	copy(b[modulusAt:], reversed(n.FillBytes(make([]byte, rsaSize))))
	sum := sha256.Sum256(slices.Concat(b[:modulusAt], b[bodyAt:bodyEnd]))
	info := append([]byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}, sum[:]...)
	padded := append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, rsaSize-3-len(info))...)
	padded = append(append(padded, 0), info...)
	s := new(big.Int).Exp(new(big.Int).SetBytes(padded), d, n)
	copy(b[sigAt:], reversed(s.FillBytes(make([]byte, rsaSize))))
	return b
}

func sample() []byte {
	b := make([]byte, Size)
	copy(b[headerAt:], header)
	copy(b[header2At:], header2)
	binary.LittleEndian.PutUint32(b[exponentAt:], exponent)
	b[attrAt], b[maskAt] = 4, 0xff
	for i := range 32 {
		b[hashAt+i] = byte(i + 1)
	}
	b[productAt], b[versionAt] = 7, 9
	return b
}

func TestRead(t *testing.T) {
	b := sign(sample())
	e, err := Read(b)
	if err != nil {
		t.Fatal(err)
	}
	if e.Measurement[0] != 1 || e.Measurement[31] != 32 || e.Product != 7 || e.Version != 9 || e.Debug || e.Signer != sha256.Sum256(b[modulusAt:modulusAt+rsaSize]) {
		t.Errorf("got %+v", e)
	}
}

func TestDebugIsTold(t *testing.T) {
	for name, at := range map[string]int{"asked for": attrAt, "left open": maskAt} {
		b := sample()
		b[at] ^= flagDebug
		if e, err := Read(sign(b)); err != nil || !e.Debug {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefused(t *testing.T) {
	signed := sign(sample())
	after := func(at int) []byte { b := bytes.Clone(signed); b[at] ^= 1; return b }
	before := func(at int) []byte { b := sample(); b[at] ^= 1; return sign(b) }
	for name, b := range map[string][]byte{
		"nothing":                 nil,
		"cut":                     signed[:Size-1],
		"bytes behind":            append(bytes.Clone(signed), 0),
		"another header":          before(headerAt),
		"another second header":   before(header2At),
		"reserved bits":           before(reserved1),
		"reserved bits in body":   before(reserved2),
		"reserved bits behind":    after(bodyEnd),
		"another exponent":        after(exponentAt),
		"another measurement":     after(hashAt),
		"another version":         after(versionAt),
		"another date":            after(20),
		"another key":             after(modulusAt + 5),
		"another signature":       after(sigAt),
		"another flag":            after(attrAt),
		"another mask of flags":   after(maskAt),
		"another list of misc":    after(bodyAt),
		"not signed":              sample(),
		"signed by a short key":   func() []byte { b := bytes.Clone(signed); clear(b[modulusAt+rsaSize-8 : modulusAt+rsaSize]); return b }(),
		"signed by an even key":   after(modulusAt),
		"a key that is not there": func() []byte { b := bytes.Clone(signed); clear(b[modulusAt : modulusAt+rsaSize]); return b }(),
	} {
		t.Run(name, func(t *testing.T) {
			if e, err := Read(b); !errors.Is(err, ErrSigstruct) || e != nil {
				t.Errorf("got %v, %v", e, err)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(sign(sample()))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := Read(b); (e == nil) == (err == nil) {
			t.Error("values and an error, or neither")
		}
	})
}
