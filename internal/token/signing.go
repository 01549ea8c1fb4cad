package token

import (
	"bytes"
	"crypto/rand"

	"github.com/miekg/pkcs11"

	"github.com/cordon-exchange/cordon/internal/party/keystore/helper/wire"
)

// Numbers of PKCS#11 3.0 for Ed25519, which the binding does not name.
const (
	ckkEdwards   = 0x40
	ckmMakePair  = 0x1055 // CKM_EC_EDWARDS_KEY_PAIR_GEN
	ckmEdDSA     = 0x1057
	maxPairs     = 2 // found at once: two are one too many
	derOctets    = 0x04
	derHeaderLen = 2
)

// ed25519Params is the curve's object identifier, 1.3.101.112, in DER.
func ed25519Params() []byte { return []byte{0x06, 0x03, 0x2b, 0x65, 0x70} }

// signs is what a private signing key must be: in this token, never to leave it, good for signing alone.
func signs() []*pkcs11.Attribute {
	return []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
		pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false), // the signing key's
		pkcs11.NewAttribute(pkcs11.CKA_SIGN, true),
		pkcs11.NewAttribute(pkcs11.CKA_SIGN_RECOVER, false),
		pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, false),
		pkcs11.NewAttribute(pkcs11.CKA_UNWRAP, false),
		pkcs11.NewAttribute(pkcs11.CKA_DERIVE, false),
	}
}

// find gives the objects of the label and class, at most maxPairs.
func (t *Token) find(class uint, more ...*pkcs11.Attribute) ([]pkcs11.ObjectHandle, error) {
	err := t.ctx.FindObjectsInit(t.session, append([]*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, class), pkcs11.NewAttribute(pkcs11.CKA_LABEL, t.object),
	}, more...))
	if err != nil {
		return nil, err
	}
	found, _, err := t.ctx.FindObjects(t.session, maxPairs)
	if ferr := t.ctx.FindObjectsFinal(t.session); err == nil {
		err = ferr
	}
	return found, err
}

// pair is the one key pair of the label: the private key's handle and the public key. It is looked for anew for every request, and
// refused if it could leave the token or came from outside.
func (t *Token) pair() (pkcs11.ObjectHandle, []byte, error) {
	found, err := t.find(pkcs11.CKO_PRIVATE_KEY)
	if err != nil {
		return 0, nil, err
	}
	switch len(found) {
	case 0:
		return 0, nil, fail(wire.CodeMissing, "no signing key of this label is in the token")
	case 1:
	default:
		return 0, nil, fail(wire.CodeWeak, "several signing keys have this label")
	}
	id, err := t.inspectPair(found[0])
	if err != nil {
		return 0, nil, err
	}
	public, err := t.public(id)
	return found[0], public, err
}

// inspectPair refuses a private key that could leave the token, or that was not made in it, and gives its id.
func (t *Token) inspectPair(h pkcs11.ObjectHandle) ([]byte, error) {
	want := append(signs(),
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, ckkEdwards),
		pkcs11.NewAttribute(pkcs11.CKA_ALWAYS_SENSITIVE, true), pkcs11.NewAttribute(pkcs11.CKA_NEVER_EXTRACTABLE, true),
		pkcs11.NewAttribute(pkcs11.CKA_LOCAL, true))
	for _, w := range want { // one by one: a token that lacks an attribute says so of that one alone
		got, err := t.ctx.GetAttributeValue(t.session, h, []*pkcs11.Attribute{pkcs11.NewAttribute(w.Type, nil)})
		if notPresent(err) || err == nil && (len(got) != 1 || !bytes.Equal(got[0].Value, w.Value)) {
			return nil, fail(wire.CodeWeak, "the signing key of this label can leave the token, was not made in it, or is of another kind")
		}
		if err != nil {
			return nil, err
		}
	}
	got, err := t.ctx.GetAttributeValue(t.session, h, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_ID, nil), pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, nil)})
	if err != nil {
		return nil, err
	}
	if len(got) != 2 || len(got[0].Value) != idSize || !ed25519Curve(got[1].Value) {
		return nil, fail(wire.CodeWeak, "the signing key of this label is of another curve, or was not made by Cordon")
	}
	return got[0].Value, nil
}

// ed25519Curve knows both names that PKCS#11 3.0 has for the curve: SoftHSM says a key's by the second, though it was made by the first.
func ed25519Curve(params []byte) bool {
	return bytes.Equal(params, ed25519Params()) || bytes.Equal(params, append([]byte{0x13, 0x0c}, "edwards25519"...))
}

func notPresent(err error) bool {
	return err == pkcs11.Error(pkcs11.CKR_ATTRIBUTE_TYPE_INVALID) || err == pkcs11.Error(pkcs11.CKR_ATTRIBUTE_SENSITIVE)
}

// public reads the public key beside the private one.
func (t *Token) public(id []byte) ([]byte, error) {
	found, err := t.find(pkcs11.CKO_PUBLIC_KEY, pkcs11.NewAttribute(pkcs11.CKA_ID, id))
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, fail(wire.CodeMissing, "the public key beside the signing key is not in the token, or is there twice")
	}
	got, err := t.ctx.GetAttributeValue(t.session, found[0], []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_EC_POINT, nil)})
	if err != nil {
		return nil, err
	}
	if len(got) != 1 {
		return nil, fail(wire.CodeFailed, "the token's public key has another form")
	}
	return point(got[0].Value)
}

// point is a public key as tokens give it: 32 bytes, bare (PKCS#11 3.0) or as a DER octet string (before, and SoftHSM).
func point(b []byte) ([]byte, error) {
	if len(b) == derHeaderLen+wire.PublicSize && b[0] == derOctets && b[1] == wire.PublicSize {
		b = b[derHeaderLen:]
	}
	if len(b) != wire.PublicSize {
		return nil, fail(wire.CodeFailed, "the token's public key has another form")
	}
	return b, nil
}

// makeKey makes the label's key pair inside the token. A label that has a private key already keeps it.
func (t *Token) makeKey() (wire.Reply, error) {
	found, err := t.find(pkcs11.CKO_PRIVATE_KEY)
	if err != nil {
		return wire.Reply{}, err
	}
	if len(found) > 0 {
		return wire.Reply{}, fail(wire.CodeTaken, "the token has a signing key of this label already")
	}
	id := make([]byte, idSize)
	if _, err := rand.Read(id); err != nil {
		return wire.Reply{}, err
	}
	named := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, t.object), pkcs11.NewAttribute(pkcs11.CKA_ID, id), pkcs11.NewAttribute(pkcs11.CKA_MODIFIABLE, false),
	}
	_, _, err = t.ctx.GenerateKeyPair(t.session, []*pkcs11.Mechanism{pkcs11.NewMechanism(ckmMakePair, nil)}, append([]*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_VERIFY, true),
		pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, false), pkcs11.NewAttribute(pkcs11.CKA_WRAP, false),
		pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, ed25519Params()),
	}, named...), append(signs(), named...))
	if err != nil {
		return wire.Reply{}, err
	}
	_, public, err := t.pair()
	return wire.Reply{Data: public}, err
}

// sign is pure Ed25519 inside the token.
func (t *Token) sign(q *wire.Request) (wire.Reply, error) {
	if len(q.Data) == 0 || len(q.ID) != 0 || len(q.AAD) != 0 {
		return wire.Reply{}, fail(wire.CodeUsage, "not a message to sign")
	}
	key, _, err := t.pair()
	if err != nil {
		return wire.Reply{}, err
	}
	if err := t.ctx.SignInit(t.session, []*pkcs11.Mechanism{pkcs11.NewMechanism(ckmEdDSA, nil)}, key); err != nil {
		return wire.Reply{}, err
	}
	sig, err := t.ctx.Sign(t.session, q.Data)
	if err == nil && len(sig) != wire.SignatureSize {
		return wire.Reply{}, fail(wire.CodeFailed, "the token's EdDSA has another form")
	}
	return wire.Reply{Data: sig}, err
}
