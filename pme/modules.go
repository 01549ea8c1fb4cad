package pme

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"math"

	"github.com/cordon-exchange/cordon/internal/secretmode"
)

// moduleType is the module's byte in its AAD (Encryption.md, section 4.4.2).
type moduleType byte

const (
	footerModule moduleType = iota
	columnMetaModule
	dataPageModule
	dictPageModule
	dataHeaderModule
	dictHeaderModule
	columnIndexModule
	offsetIndexModule
	bloomHeaderModule
	bloomBitsetModule
)

const (
	lengthSize = 4
	nonceSize  = 12
	tagSize    = 16
	// gcmOverhead and ctrOverhead are what a module takes beyond its plaintext.
	gcmOverhead = lengthSize + nonceSize + tagSize
	ctrOverhead = lengthSize + nonceSize
	// signatureSize is the nonce and tag behind a plaintext footer.
	signatureSize = nonceSize + tagSize
)

// place names one column chunk in AADs: its row group and its column, by ordinal.
type place struct{ rowGroup, column int16 }

// fileAAD is AAD prefix and file identifier: what every module's AAD starts with.
type fileAAD []byte

// footer is the AAD of the footer.
func (a fileAAD) footer() []byte { return append(a[:len(a):len(a)], byte(footerModule)) }

// module appends the AAD of a module that is alone of its type in a chunk.
func (a fileAAD) module(dst []byte, t moduleType, at place) []byte {
	dst = append(append(dst[:0], a...), byte(t))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(at.rowGroup))
	return binary.LittleEndian.AppendUint16(dst, uint16(at.column))
}

// page appends the AAD of a data page or its header.
func (a fileAAD) page(dst []byte, t moduleType, at place, page int) []byte {
	return binary.LittleEndian.AppendUint16(a.module(dst, t, at), uint16(page))
}

// pageAAD is the AAD of a page or its header, of which dictionary pages have no ordinal.
func (p *Plan) pageAAD(dst []byte, t moduleType, at place, ordinal int) []byte {
	if t == dictHeaderModule || t == dictPageModule {
		return p.aad.module(dst, t, at)
	}
	return p.aad.page(dst, t, at, ordinal)
}

// plainSize is how long the page in a box of this size is; below zero there is none.
func (p *Plan) plainSize(box int) int { return box - p.overhead() }

// overhead is what the box of a page takes beyond the page.
func (p *Plan) overhead() int {
	if p.ctr {
		return nonceSize
	}
	return nonceSize + tagSize
}

// boxKey encrypts and decrypts modules under one key. It may be used concurrently.
type boxKey struct {
	gcm   cipher.AEAD  // makes its own nonces and keeps them in front of the ciphertext, as modules do
	block cipher.Block // for CTR, and for the signature of plaintext footers
	apart []byte       // the key as OpenOptions.Expand expanded it; nil: it did not
}

// newBoxKey checks the size of a key and expands it.
func newBoxKey(key []byte) (*boxKey, error) {
	if n := len(key); n != 16 && n != 24 && n != 32 {
		return nil, ErrKey
	}
	k := &boxKey{}
	var err error
	// The expanded key holds the key itself. It lies in the heap until nobody holds it; then secret mode has it erased.
	secretmode.Do(func() {
		if k.block, err = aes.NewCipher(key); err == nil {
			k.gcm, err = cipher.NewGCMWithRandomNonce(k.block)
		}
	})
	if err != nil {
		return nil, ErrKey
	}
	return k, nil
}

// frame takes the module at the start of b apart: box is nonce, ciphertext and tag; n is what the module takes in all.
func frame(b []byte) (box []byte, n int, ok bool) {
	if len(b) < lengthSize {
		return nil, 0, false
	}
	size := binary.LittleEndian.Uint32(b)
	if size > math.MaxInt32 || int64(size) > int64(len(b)-lengthSize) {
		return nil, 0, false
	}
	n = lengthSize + int(size)
	return b[lengthSize:n], n, true
}

// open decrypts a box and appends the plaintext to dst, which has room for it.
func (k *boxKey) open(dst, box, aad []byte) ([]byte, error) {
	if len(box) < nonceSize+tagSize {
		return nil, ErrTampered
	}
	out, err := k.gcm.Open(dst, nil, box, aad)
	if err != nil {
		return nil, ErrTampered
	}
	return out, nil
}

// openCTR decrypts a page of AES_GCM_CTR_V1. Nothing authenticates it.
func (k *boxKey) openCTR(dst, box []byte) ([]byte, error) {
	if len(box) < nonceSize {
		return nil, ErrTampered
	}
	var iv [aes.BlockSize]byte
	copy(iv[:], box[:nonceSize])
	iv[len(iv)-1] = 1
	n := len(dst)
	dst = append(dst, box[nonceSize:]...)
	cipher.NewCTR(k.block, iv[:]).XORKeyStream(dst[n:], dst[n:])
	return dst, nil
}

// openModule decrypts a module that must fill b.
func (k *boxKey) openModule(b, aad []byte) ([]byte, error) {
	box, n, ok := frame(b)
	if !ok || n != len(b) {
		return nil, ErrTampered
	}
	return k.open(nil, box, aad)
}

// seal appends a module: length, nonce, ciphertext, tag.
func (k *boxKey) seal(dst, plain, aad []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(nonceSize+len(plain)+tagSize))
	return k.gcm.Seal(dst, nil, plain, aad)
}

// signs says whether signature is this key's over a plaintext footer (section 5.5): nonce and tag of encrypting it.
func (k *boxKey) signs(footer, signature, aad []byte) bool {
	gcm, err := cipher.NewGCM(k.block)
	if err != nil || len(signature) != signatureSize {
		return false
	}
	box := gcm.Seal(nil, signature[:nonceSize], footer, aad)
	return subtle.ConstantTimeCompare(box[len(footer):], signature[nonceSize:]) == 1
}
