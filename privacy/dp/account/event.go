package account

import (
	"errors"

	"github.com/cordon-exchange/cordon/statement"
)

// ErrEvent says that an event is not complete, not strictly encoded, or does not fit those before it.
var ErrEvent = errors.New("account: not an event of this budget")

// maxEvent bounds one encoded event, in bytes.
const maxEvent = 4096

// maxChargeBits bounds the denominators of what is charged: the sum of many stays short enough to be exact.
const maxChargeBits = 64

// Event is one charge (docs/spec/dp.md, section 9): what a durable ledger carries, one line each. All that a budget knows
// follows from its terms and its events.
type Event struct {
	AtMS    int64                 `json:"at_ms"`
	Release statement.Digest      `json:"release"`
	Org     statement.Fingerprint `json:"org"`
	Rho     Amount                `json:"rho"`
	Delta   Amount                `json:"delta"`
	Epsilon Amount                `json:"epsilon,omitempty"` // of a release that is pure but for delta; rho follows from it
}

// Encode gives the one encoding of an event.
func (e Event) Encode() ([]byte, error) {
	if _, err := e.Cost(); err != nil {
		return nil, err
	}
	return statement.Marshal(e)
}

// DecodeEvent reads what Encode gives, and nothing else.
func DecodeEvent(src []byte) (Event, error) {
	var e Event
	if err := statement.UnmarshalUpTo(src, maxEvent, &e); err != nil {
		return Event{}, ErrEvent
	}
	if _, err := e.Cost(); err != nil {
		return Event{}, err
	}
	return e, nil
}

// Cost checks the fields and gives what the event charges. A charge of nothing is refused: no release is free.
func (e Event) Cost() (Cost, error) {
	rho, err := e.Rho.Rat()
	if err != nil {
		return Cost{}, ErrEvent
	}
	delta, err := e.Delta.Rat()
	if err != nil {
		return Cost{}, ErrEvent
	}
	c := Cost{Rho: rho, Delta: delta}
	if e.Epsilon != "" {
		if c.Epsilon, err = e.Epsilon.Rat(); err != nil || c.Epsilon.Denom().BitLen() > maxChargeBits || PureRho(c.Epsilon).Cmp(rho) != 0 {
			return Cost{}, ErrEvent
		}
	}
	short := rho.Denom().BitLen() <= maxChargeBits && delta.Denom().BitLen() <= maxChargeBits
	if !c.valid() || !short || rho.Sign() == 0 || e.AtMS <= 0 || !e.Release.Valid() || !e.Org.Valid() {
		return Cost{}, ErrEvent
	}
	return c, nil
}
