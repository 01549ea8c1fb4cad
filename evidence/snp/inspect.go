package snp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/evidence/remembered"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

// Endorsement is what a genuine VCEK or VLEK is for. Only InspectEndorsement makes one.
type Endorsement struct {
	Line     string
	Key      string // VCEK or VLEK
	TCB      TCB
	Chip     string // hex; of a VCEK
	Provider string // of a VLEK
	Expires  time.Time
}

// InspectEndorsement checks an endorsement by itself, without a report: it hangs from an anchor, directly, at the time. m may be nil.
func InspectEndorsement(m *remembered.Memory, der []byte, anchors Anchors, at time.Time) (*Endorsement, error) {
	if len(anchors.list) == 0 || at.IsZero() {
		return nil, fmt.Errorf("%w: no anchor or no time given", stage.Chain)
	}
	key := VCEK
	ek, err := parseEndorsement(der, key)
	if errors.Is(err, stage.EndorsementMismatch) {
		key = VLEK
		ek, err = parseEndorsement(der, key)
	}
	if err != nil {
		return nil, err
	}
	line, named, ok := issuerName(ek.Issuer.CommonName)
	if !ok || named != key {
		return nil, fmt.Errorf("%w: the key's issuer is none of AMD's for a %s", stage.Chain, key)
	}
	for _, a := range anchors.of(line, key) {
		if !a.issuedBefore(m, ek, at) {
			continue
		}
		e, err := extensions(ek, line)
		if err != nil {
			return nil, err
		}
		return &Endorsement{Line: line, Key: key, TCB: e.tcb, Chip: hex.EncodeToString(e.hwid), Provider: e.csp, Expires: ek.NotAfter}, nil
	}
	return nil, fmt.Errorf("%w: the %s does not lead to an anchor for %s", stage.Chain, key, line)
}

// List is what a genuine revocation list is for. Only InspectCRL makes one.
type List struct {
	Line    string
	Issued  time.Time
	Expires time.Time
}

// InspectCRL checks a revocation list by itself: by the root of a line. Whether it is current is for its reader. m may be nil.
func InspectCRL(m *remembered.Memory, der []byte, anchors Anchors, at time.Time) (*List, error) {
	if len(der) > MaxCRL {
		return nil, fmt.Errorf("%w: revocation list of %d bytes", stage.Parse, len(der))
	}
	for _, a := range anchors.list {
		l, err := a.list(m, der, at)
		if errors.Is(err, errOther) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return &List{Line: a.line, Issued: l.ThisUpdate, Expires: l.NextUpdate}, nil
	}
	return nil, fmt.Errorf("%w: no list of a root of AMD's", stage.Chain)
}

// Query is how AMD's key server is asked for the VCEK of a report: path and query below its address.
func (r *Report) Query(line string) (string, error) {
	chip := r.ChipID
	if r.SigningKey != VCEK || bytes.Equal(chip, make([]byte, len(chip))) {
		return "", fmt.Errorf("%w: a %s, or a chip without a name: the key server has no such key", stage.NoCollateral, r.SigningKey)
	}
	if line == Turin {
		chip = chip[:8]
	}
	names := map[int]string{9: "fmcSPL", 1: "blSPL", 2: "teeSPL", 3: "snpSPL", 8: "ucodeSPL"}
	if line != Turin {
		names = map[int]string{1: "blSPL", 2: "teeSPL", 3: "snpSPL", 8: "ucodeSPL"}
	}
	var q []string
	shift := shifts(line)
	for _, id := range []int{9, 1, 2, 3, 8} {
		if name, ok := names[id]; ok {
			q = append(q, fmt.Sprintf("%s=%d", name, byte(r.ReportedTCB>>shift[id])))
		}
	}
	return "/vcek/v1/" + line + "/" + hex.EncodeToString(chip) + "?" + strings.Join(q, "&"), nil
}
