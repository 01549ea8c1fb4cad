package translog

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Checkpoint is what a log says of its tree (C2SP tlog-checkpoint).
type Checkpoint struct {
	Origin string
	Size   int64
	Root   [sha256.Size]byte
}

// text is the body of the note.
func (c Checkpoint) text() string {
	return c.Origin + "\n" + strconv.FormatInt(c.Size, 10) + "\n" + base64.StdEncoding.EncodeToString(c.Root[:]) + "\n"
}

// parseCheckpoint reads the body of a note. Extension lines are refused: this log has none.
func parseCheckpoint(text string) (Checkpoint, error) {
	bad := fmt.Errorf("%w: checkpoint", ErrMalformed)
	part := strings.Split(text, "\n")
	if len(part) != 4 || part[3] != "" || part[0] == "" {
		return Checkpoint{}, bad
	}
	c := Checkpoint{Origin: part[0]}
	n, err := strconv.ParseInt(part[1], 10, 64)
	root, rootErr := base64.StdEncoding.Strict().DecodeString(part[2])
	if err != nil || rootErr != nil || n < 0 || n > maxTime || len(root) != sha256.Size {
		return Checkpoint{}, bad
	}
	c.Size = n
	copy(c.Root[:], root)
	if c.text() != text { // one encoding for each value
		return Checkpoint{}, bad
	}
	return c, nil
}

// RootUnverified is the root in a checkpoint's note, whoever signed it.
func RootUnverified(src []byte) (root [sha256.Size]byte, err error) {
	text, _, ok := strings.Cut(string(src), "\n\n")
	if !ok || len(src) > MaxNote {
		return root, fmt.Errorf("%w: note", ErrMalformed)
	}
	c, err := parseCheckpoint(text + "\n")
	return c.Root, err
}

// MaxNote bounds a checkpoint with all its signatures, in bytes.
const MaxNote = 64 << 10

// ErrSignature is wrapped by every error about a signature that is missing or wrong.
var ErrSignature = errors.New("translog: signature missing or wrong")

// Key verifies one log's checkpoints. Its name is the log's origin.
type Key struct {
	v    note.Verifier
	text string
}

// ParseKey reads a verifier key of a signed note (C2SP signed-note): name, key id, and an Ed25519 key.
func ParseKey(text string) (*Key, error) {
	v, err := note.NewVerifier(text)
	if err != nil || len(text) > maxKey {
		return nil, fmt.Errorf("%w: key of a log", ErrMalformed)
	}
	return &Key{v: v, text: text}, nil
}

const maxKey = 256 // bytes of a key's text

// Origin is the log's name.
func (k *Key) Origin() string { return k.v.Name() }

func (k *Key) String() string { return k.text }

// Signed is a checkpoint that its log signed. Only Open makes one.
type Signed struct {
	Checkpoint
	note []byte
	text string
}

// Note is the signed note, to pass on.
func (s *Signed) Note() []byte { return bytes.Clone(s.note) }

// Open verifies that the log signed a checkpoint, once, and that it names this log.
func (k *Key) Open(src []byte) (*Signed, error) {
	if len(src) > MaxNote {
		return nil, fmt.Errorf("%w: note is too large", ErrMalformed)
	}
	n, err := note.Open(src, note.VerifierList(k.v))
	if err != nil {
		if unsigned := new(note.UnverifiedNoteError); errors.As(err, &unsigned) {
			return nil, fmt.Errorf("%w: of the log", ErrSignature)
		}
		if invalid := new(note.InvalidSignatureError); errors.As(err, &invalid) {
			return nil, fmt.Errorf("%w: of the log", ErrSignature)
		}
		return nil, fmt.Errorf("%w: note", ErrMalformed)
	}
	c, err := parseCheckpoint(n.Text)
	if err != nil {
		return nil, err
	}
	if c.Origin != k.Origin() {
		return nil, fmt.Errorf("%w: checkpoint of another log", ErrSignature)
	}
	return &Signed{Checkpoint: c, note: bytes.Clone(src), text: n.Text}, nil
}
