package releasing

import (
	"errors"
	"time"

	"github.com/cordon-exchange/cordon/seal"
)

// floor does the cryptography that the messages of a release ask for, on whatever evidence: by the lines of the hello one message opened,
// the keys and the reply sealed; the signatures of the evidence's operator and of all readies verified, the release signed. On one
// processor no broker is faster.
type floor struct {
	line        *seal.Line
	listener    *seal.Listener
	key         *seal.SigningKey
	text        []byte
	sealed, sig []byte
}

var floorContext = seal.Context{Purpose: seal.PurposeQuote}

func newFloor() *floor {
	box := must(seal.NewBoxKey())
	f := &floor{line: must(seal.NewLine(box.Public())), key: must(seal.NewSigningKey()), text: make([]byte, 4096)}
	f.sealed, f.sig = must(f.line.Seal(floorContext, f.text)), must(f.key.Sign(f.text))
	f.listener = must(box.Listen(f.sealed))
	return f
}

func (f *floor) once() error {
	_, err := f.listener.Open(floorContext, f.sealed)
	for range 2 {
		_, e := f.line.Seal(floorContext, f.text)
		err = errors.Join(err, e)
	}
	for range 1 + owners {
		if !f.key.Public().Verify(f.text, f.sig) {
			err = errors.Join(err, errors.New("does not verify"))
		}
	}
	_, e := f.key.Sign(f.text)
	return errors.Join(err, e)
}

// floorTime is how long it is done each time.
const floorTime = 200 * time.Millisecond

// measure gives the processor time of one.
func (f *floor) measure() (time.Duration, error) {
	cpu, n := processor(), 0
	for start := time.Now(); time.Since(start) < floorTime; n++ {
		if err := f.once(); err != nil {
			return 0, err
		}
	}
	return (processor() - cpu) / time.Duration(n), nil
}
