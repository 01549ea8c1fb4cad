package statement

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

const uriBase = "https://cordon-exchange.github.io/statement/"

// Kinds of statements with the version in use, in the order of their life.
const (
	TypeParty      = uriBase + "party/v1"
	TypeOffer      = uriBase + "offer/v1"
	TypePool       = uriBase + "pool/v1"
	TypeContract   = uriBase + "contract/v1"
	TypeGrant      = uriBase + "grant/v1"
	TypeCounter    = uriBase + "counter/v1"
	TypeRejection  = uriBase + "rejection/v1"
	TypeJob        = uriBase + "job/v1"
	TypeReady      = uriBase + "ready/v1"
	TypeRefusal    = uriBase + "refusal/v1"
	TypeRelease    = uriBase + "release/v1"
	TypeReceipt    = uriBase + "receipt/v1"
	TypeAck        = uriBase + "ack/v1"
	TypeRevocation = uriBase + "revocation/v1"

	TypeOrder      = uriBase + "order/v1"
	TypeInvoice    = uriBase + "invoice/v1"
	TypeSettlement = uriBase + "settlement/v1"
	TypeCharge     = uriBase + "charge/v1"
	TypeClosing    = uriBase + "closing/v1"
	TypeRefund     = uriBase + "refund/v1"

	TypeCertificate = uriBase + "certificate/v1"
	TypeApproval    = uriBase + "approval/v1"

	TypeTemplate      = uriBase + "template/v1"
	TypeAccreditation = uriBase + "accreditation/v1"
)

// PeekType returns the type a payload claims, for routing only.
func PeekType(payload []byte) (string, error) {
	d := json.NewDecoder(bytes.NewReader(payload))
	for _, want := range []json.Token{json.Delim('{'), "type"} {
		t, err := d.Token()
		if err != nil || t != want {
			return "", ErrType
		}
	}
	t, err := d.Token()
	s, ok := t.(string)
	if err != nil || !ok {
		return "", ErrType
	}
	return s, nil
}

// kindOf is the short name of a type: "party".
func kindOf(uri string) string {
	return strings.TrimSuffix(strings.TrimPrefix(uri, uriBase), "/v1")
}

func peekType(payload []byte, want string) error {
	if bytes.HasPrefix(payload, []byte(`{"type":"`+want+`"`)) {
		return nil
	}
	got, err := PeekType(payload)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%w: want %s", ErrType, strings.TrimPrefix(want, uriBase))
	}
	return nil
}
