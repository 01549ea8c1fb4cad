package token

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"

	"github.com/miekg/pkcs11"

	"github.com/cordon-exchange/cordon/internal/party/keystore/helper/wire"
)

// failure is what a request ends with: a code for the agent, a text for people.
type failure struct{ code, text string }

func (f *failure) Error() string { return f.code + ": " + f.text }

func fail(code, text string) error { return &failure{code, text} }

// Token is an open session of a logged-in user. It is not safe for concurrent use.
type Token struct {
	ctx     *pkcs11.Ctx
	session pkcs11.SessionHandle
	object  string
}

// Open loads the module, finds the token and logs in. It tries the PIN once.
func Open(o wire.Token) (*Token, error) {
	ctx := pkcs11.New(o.Module)
	if ctx == nil {
		return nil, fail(wire.CodeModule, "the module can't be loaded")
	}
	if err := ctx.Initialize(); err != nil {
		ctx.Destroy()
		return nil, fail(wire.CodeAway, "the module does not start: "+err.Error())
	}
	t := &Token{ctx: ctx, object: o.Object}
	if err := t.login(o); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// Close logs out and unloads the module.
func (t *Token) Close() {
	_ = t.ctx.Finalize() // closes the sessions; nothing can be done about a token that does not answer
	t.ctx.Destroy()
}

func (t *Token) login(o wire.Token) error {
	slot, err := t.slot(o)
	if err != nil {
		return err
	}
	if t.session, err = t.ctx.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION); err != nil {
		return classify(err)
	}
	pin, err := readPIN(o.PINFile)
	if err != nil {
		return err
	}
	defer clear(pin)
	if err = t.ctx.Login(t.session, pkcs11.CKU_USER, string(pin)); errors.Is(err, pkcs11.Error(pkcs11.CKR_USER_ALREADY_LOGGED_IN)) {
		return nil
	}
	return classify(err)
}

// slot finds the one token of that label, and serial number where one is given.
func (t *Token) slot(o wire.Token) (uint, error) {
	slots, err := t.ctx.GetSlotList(true)
	if err != nil {
		return 0, classify(err)
	}
	var found []uint
	for _, s := range slots {
		i, err := t.ctx.GetTokenInfo(s)
		if err == nil && i.Label == o.Token && (o.Serial == "" || i.SerialNumber == o.Serial) {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		return 0, fail(wire.CodeAway, "no such token is present")
	case 1:
		return found[0], nil
	}
	return 0, fail(wire.CodeAway, "several tokens have this name")
}

const maxPIN = 256

// readPIN reads a file that only its owner can read: one line.
func readPIN(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fail(wire.CodePINFile, "the file of the PIN can't be read")
	}
	if runtime.GOOS != "windows" && st.Mode().Perm()&0o077 != 0 {
		return nil, fail(wire.CodePINFile, "others can read the file of the PIN")
	}
	if st.Size() > maxPIN {
		return nil, fail(wire.CodePINFile, "the file of the PIN is too long")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fail(wire.CodePINFile, "the file of the PIN can't be read")
	}
	pin := bytes.TrimRight(b, "\r\n")
	if len(pin) == 0 || bytes.ContainsAny(pin, "\r\n\x00") {
		clear(b)
		return nil, fail(wire.CodePINFile, "the file of the PIN is not one line")
	}
	return pin, nil
}

// classify tells apart what people can do something about.
func classify(err error) error {
	var f *failure
	if err == nil || errors.As(err, &f) {
		return err
	}
	var code pkcs11.Error
	if !errors.As(err, &code) {
		return fail(wire.CodeFailed, "the module failed")
	}
	switch code {
	case pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_INVALID, pkcs11.CKR_PIN_LEN_RANGE, pkcs11.CKR_PIN_EXPIRED:
		return fail(wire.CodePIN, "the token refuses the PIN")
	case pkcs11.CKR_PIN_LOCKED:
		return fail(wire.CodeLocked, "the token is locked after too many wrong PINs")
	case pkcs11.CKR_TOKEN_NOT_PRESENT, pkcs11.CKR_TOKEN_NOT_RECOGNIZED, pkcs11.CKR_DEVICE_ERROR, pkcs11.CKR_DEVICE_REMOVED,
		pkcs11.CKR_SESSION_CLOSED, pkcs11.CKR_SESSION_HANDLE_INVALID, pkcs11.CKR_USER_NOT_LOGGED_IN, pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED:
		return fail(wire.CodeGone, "the token went away")
	}
	return fail(wire.CodeFailed, fmt.Sprintf("the token's code is 0x%X", uint(code)))
}

// Serve answers one request.
func (t *Token) Serve(q *wire.Request) wire.Reply {
	r, err := t.serve(q)
	return reply(r, err)
}

func reply(r wire.Reply, err error) wire.Reply {
	if err == nil {
		return r
	}
	var f *failure
	if errors.As(classify(err), &f) {
		return wire.Reply{Code: f.code, Text: f.text}
	}
	return wire.Reply{Code: wire.CodeFailed}
}

func (t *Token) serve(q *wire.Request) (wire.Reply, error) {
	switch q.Op {
	case wire.OpMakeKey:
		return t.makeKey()
	case wire.OpPublic:
		_, public, err := t.pair()
		return wire.Reply{Data: public}, err
	case wire.OpSign:
		return t.sign(q)
	}
	return t.serveKEK(q)
}

func (t *Token) serveKEK(q *wire.Request) (wire.Reply, error) {
	keys, err := t.keys()
	if err != nil {
		return wire.Reply{}, err
	}
	switch q.Op {
	case wire.OpList:
		var r wire.Reply
		for _, k := range keys {
			r.IDs = append(r.IDs, k.id)
		}
		return r, nil
	case wire.OpRenew:
		id, err := t.renew(keys)
		return wire.Reply{Data: id}, err
	case wire.OpDestroy:
		return wire.Reply{}, t.destroy(keys, q.ID)
	case wire.OpWrap:
		return t.wrap(keys, q)
	case wire.OpUnwrap:
		return t.unwrap(keys, q)
	}
	return wire.Reply{}, fail(wire.CodeUsage, "no such request")
}

func (t *Token) wrap(keys []kek, q *wire.Request) (wire.Reply, error) {
	if len(keys) == 0 {
		return wire.Reply{}, fail(wire.CodeMissing, "no key of this label is in the token")
	}
	if len(q.Data) != versionKeySize {
		return wire.Reply{}, fail(wire.CodeUsage, "not a version key")
	}
	out, err := t.encrypt(keys[0], q.AAD, q.Data)
	return wire.Reply{Data: slices.Concat(keys[0].id, out)}, err
}

func (t *Token) unwrap(keys []kek, q *wire.Request) (wire.Reply, error) {
	k, ok := find(keys, q.ID)
	if !ok {
		return wire.Reply{}, fail(wire.CodeMissing, "the key of that id is not in the token")
	}
	if len(q.Data) != nonceSize+versionKeySize+tagSize {
		return wire.Reply{}, fail(wire.CodeRefused, "of another length")
	}
	key, err := t.decrypt(k, q.AAD, q.Data)
	if err == nil {
		return wire.Reply{Data: key}, nil
	}
	// Tokens have no common code for what does not authenticate. One that opens what it just encrypted works: then it was the bytes.
	if t.works(k) {
		return wire.Reply{}, fail(wire.CodeRefused, "does not authenticate")
	}
	return wire.Reply{}, err
}

func (t *Token) works(k kek) bool {
	probe := make([]byte, versionKeySize)
	out, err := t.encrypt(k, nil, probe)
	if err != nil {
		return false
	}
	back, err := t.decrypt(k, nil, out)
	return err == nil && bytes.Equal(back, probe)
}
