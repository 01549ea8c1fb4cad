package officers

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cordon-exchange/cordon/statement"
)

// ListFormat names the format of a list, with its version.
const ListFormat = "cordon-officers/1"

// ErrList is wrapped by every error about a list of officers.
var ErrList = errors.New("officers: not a list of officers")

// List says who must approve what. A list without officers ends dual control.
type List struct {
	Format    string                `json:"format"`
	Party     statement.Fingerprint `json:"party"`
	Number    int64                 `json:"number"` // counts the lists of a party, from 1
	Previous  statement.Digest      `json:"previous,omitempty"`
	Threshold int64                 `json:"threshold"` // how many of the officers must approve
	Officers  []Officer             `json:"officers"`
	Actions   []string              `json:"actions"` // statement.Action…: what needs them. Changing the list always does
	CreatedMS int64                 `json:"created_ms"`
}

// Officer is a person with a key of its own.
type Officer struct {
	Name        string                `json:"name"`
	Fingerprint statement.Fingerprint `json:"fingerprint"`
}

const maxOfficers = 64

func (l *List) valid() error {
	bad := func(what string) error { return fmt.Errorf("%w: %s", ErrList, what) }
	switch {
	case l.Format != ListFormat || !l.Party.Valid() || l.CreatedMS <= 0:
		return bad("format, party or time")
	case l.Number < 1 || (l.Number == 1) != (l.Previous == "") || l.Previous != "" && !l.Previous.Valid():
		return bad("number")
	case l.Officers == nil || l.Actions == nil || len(l.Officers) > maxOfficers:
		return bad("officers")
	case len(l.Officers) == 0 && (l.Threshold != 0 || len(l.Actions) != 0):
		return bad("threshold")
	case len(l.Officers) > 0 && (l.Threshold < 2 || l.Threshold > int64(len(l.Officers))):
		return bad("threshold: at least two of the officers must approve")
	case len(l.Officers) > 0 && len(l.Actions) == 0:
		return bad("actions")
	}
	seen := map[string]bool{}
	for _, o := range l.Officers {
		if !statement.ValidName(o.Name) || !o.Fingerprint.Valid() || o.Fingerprint == l.Party || seen[o.Name] || seen[string(o.Fingerprint)] {
			return bad("an officer's name or key, or one that stands twice")
		}
		seen[o.Name], seen[string(o.Fingerprint)] = true, true
	}
	for _, a := range l.Actions {
		if !slices.Contains(Choices(), a) || seen["action "+a] {
			return bad("actions")
		}
		seen["action "+a] = true
	}
	return nil
}

// Choices are the actions that a list can name.
func Choices() []string {
	return []string{statement.ActionGrant, statement.ActionPolicy, statement.ActionPool, statement.ActionKey, statement.ActionLedger}
}

func (l *List) encode() ([]byte, error) {
	if err := l.valid(); err != nil {
		return nil, err
	}
	return statement.Marshal(l)
}

func decodeList(src []byte) (*List, error) {
	var l List
	if err := statement.Unmarshal(src, &l); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrList, err)
	}
	if err := l.valid(); err != nil {
		return nil, err
	}
	return &l, nil
}

// requires reports whether an action needs the list's officers.
func (l *List) requires(action string) bool {
	return len(l.Officers) > 0 && (action == statement.ActionOfficers || slices.Contains(l.Actions, action))
}

// officer finds one by its key.
func (l *List) officer(f statement.Fingerprint) (string, bool) {
	for _, o := range l.Officers {
		if o.Fingerprint == f {
			return o.Name, true
		}
	}
	return "", false
}
