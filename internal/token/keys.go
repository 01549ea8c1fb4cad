package token

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"math"
	"slices"

	"github.com/miekg/pkcs11"

	"github.com/cordon-exchange/cordon/internal/party/keystore/helper/wire"
)

const (
	idSize         = 8
	versionKeySize = 32
	nonceSize      = 12
	tagSize        = 16
	maxKeys        = 1024
)

// kek is a key of the token: its handle, and its CKA_ID: a counter in 4 bytes, and 4 random ones.
type kek struct {
	handle pkcs11.ObjectHandle
	id     []byte
}

func find(keys []kek, id []byte) (kek, bool) {
	i := slices.IndexFunc(keys, func(k kek) bool { return bytes.Equal(k.id, id) })
	if i < 0 {
		return kek{}, false
	}
	return keys[i], true
}

// keys lists the KEKs, newest first. They are read anew for every request: another process may have made one.
func (t *Token) keys() ([]kek, error) {
	err := t.ctx.FindObjectsInit(t.session, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), pkcs11.NewAttribute(pkcs11.CKA_LABEL, t.object),
	})
	if err != nil {
		return nil, err
	}
	handles, _, err := t.ctx.FindObjects(t.session, maxKeys)
	if ferr := t.ctx.FindObjectsFinal(t.session); err == nil {
		err = ferr
	}
	if err != nil {
		return nil, err
	}
	var out []kek
	for _, h := range handles {
		id, err := t.inspect(h)
		if err != nil {
			return nil, err
		}
		if _, twice := find(out, id); twice {
			return nil, fail(wire.CodeWeak, "two keys have one id")
		}
		out = append(out, kek{handle: h, id: id})
	}
	slices.SortFunc(out, func(a, b kek) int { return bytes.Compare(b.id, a.id) })
	return out, nil
}

// bound is what a KEK must be: made inside this token, never to leave it, good for encrypting and decrypting alone.
func bound() []*pkcs11.Attribute {
	return []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
		pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false),
		pkcs11.NewAttribute(pkcs11.CKA_WRAP, false),
		pkcs11.NewAttribute(pkcs11.CKA_UNWRAP, false),
		pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, versionKeySize),
	}
}

// inspect refuses a key that could leave the token, or that came from outside, and gives its id.
func (t *Token) inspect(h pkcs11.ObjectHandle) ([]byte, error) {
	want := append(bound(),
		pkcs11.NewAttribute(pkcs11.CKA_ALWAYS_SENSITIVE, true), pkcs11.NewAttribute(pkcs11.CKA_NEVER_EXTRACTABLE, true),
		pkcs11.NewAttribute(pkcs11.CKA_LOCAL, true))
	ask := append(slices.Clone(want), pkcs11.NewAttribute(pkcs11.CKA_ID, nil))
	got, err := t.ctx.GetAttributeValue(t.session, h, ask)
	if err != nil {
		return nil, err
	}
	for i, w := range want {
		if !bytes.Equal(got[i].Value, w.Value) {
			return nil, fail(wire.CodeWeak, "a key of this label can leave the token, was not made in it, or is of another kind")
		}
	}
	id := got[len(want)].Value
	if len(id) != idSize {
		return nil, fail(wire.CodeWeak, "a key of this label was not made by Cordon")
	}
	return id, nil
}

// renew makes a KEK inside the token. The counter in its id makes it the newest.
func (t *Token) renew(keys []kek) ([]byte, error) {
	var last uint32
	if len(keys) > 0 {
		last = binary.BigEndian.Uint32(keys[0].id)
	}
	if last == math.MaxUint32 || len(keys) >= maxKeys {
		return nil, fail(wire.CodeUsage, "too many keys")
	}
	id := binary.BigEndian.AppendUint32(nil, last+1)
	id = append(id, make([]byte, 4)...)
	if _, err := rand.Read(id[4:]); err != nil {
		return nil, err
	}
	h, err := t.ctx.GenerateKey(t.session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_KEY_GEN, nil)}, append(bound()[1:],
		pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true), pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, true),
		pkcs11.NewAttribute(pkcs11.CKA_MODIFIABLE, false),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, t.object), pkcs11.NewAttribute(pkcs11.CKA_ID, id)))
	if err != nil {
		return nil, err
	}
	_, err = t.inspect(h)
	return id, err
}

// destroy ends a KEK that does not wrap any more.
func (t *Token) destroy(keys []kek, id []byte) error {
	k, ok := find(keys, id)
	if !ok {
		return fail(wire.CodeMissing, "the key of that id is not in the token")
	}
	if bytes.Equal(keys[0].id, id) {
		return fail(wire.CodeUsage, "the key that wraps can't be destroyed")
	}
	return t.ctx.DestroyObject(t.session, k.handle)
}

// encrypt is AES-256-GCM inside the token: nonce ‖ ciphertext ‖ tag. Tokens that insist on a nonce of their own put it in place
// of the one that is offered.
func (t *Token) encrypt(k kek, aad, plain []byte) ([]byte, error) {
	nonce := make([]byte, nonceSize)
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	p := pkcs11.NewGCMParams(nonce, aad, 8*tagSize)
	defer p.Free()
	if err := t.ctx.EncryptInit(t.session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_GCM, p)}, k.handle); err != nil {
		return nil, err
	}
	out, err := t.ctx.Encrypt(t.session, plain)
	if err != nil {
		return nil, err
	}
	if nonce = p.IV(); len(nonce) != nonceSize || len(out) != len(plain)+tagSize {
		return nil, fail(wire.CodeFailed, "the token's AES-GCM has another form")
	}
	return append(nonce, out...), nil
}

func (t *Token) decrypt(k kek, aad, sealed []byte) ([]byte, error) {
	p := pkcs11.NewGCMParams(sealed[:nonceSize], aad, 8*tagSize)
	defer p.Free()
	if err := t.ctx.DecryptInit(t.session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_GCM, p)}, k.handle); err != nil {
		return nil, err
	}
	out, err := t.ctx.Decrypt(t.session, sealed[nonceSize:])
	if err != nil {
		return nil, err
	}
	if len(out) != len(sealed)-nonceSize-tagSize {
		clear(out)
		return nil, fail(wire.CodeFailed, "the token's AES-GCM has another form")
	}
	return out, nil
}
