package attest

import (
	"context"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
)

// NSMPath is the device of AWS's Nitro Security Module.
const NSMPath = "/dev/nsm"

// maxDocument is the room that the module has for an answer, in bytes (aws-nitro-enclaves-nsm-api, NSM_RESPONSE_MAX_SIZE).
const maxDocument = 0x3000

// NSM has attestation documents made. send passes a request to the module and gives its answer back, both in CBOR.
func NSM(send func(request []byte, room int) ([]byte, error)) Attester {
	return func(_ context.Context, data evidence.ReportData) (hosted.Quoted, error) {
		answer, err := send(attestationRequest(data[:]), maxDocument)
		if err != nil {
			return hosted.Quoted{}, failed("attestation document", err)
		}
		doc, err := document(answer)
		if err != nil {
			return hosted.Quoted{}, err
		}
		return hosted.Quoted{Quote: doc}, nil
	}
}

// Heads of CBOR (RFC 8949) as they stand in request and answer: both are maps of one entry, text to map.
const (
	cborMap   = 0xa0
	cborText  = 0x60
	cborBytes = 0x40
	cborNull  = 0xf6
	cborLen8  = 0x18 // in the low five bits: the length is in the next byte
	cborLen16 = 0x19 // in the next two
)

// attestationRequest is {"Attestation": {"user_data": data, "nonce": null, "public_key": null}}.
func attestationRequest(data []byte) []byte {
	out := append([]byte{cborMap | 1}, cborString("Attestation")...)
	out = append(out, cborMap|3)
	out = append(out, cborString("user_data")...)
	out = append(out, cborBytes|cborLen8, byte(len(data)))
	out = append(out, data...)
	for _, absent := range []string{"nonce", "public_key"} {
		out = append(append(out, cborString(absent)...), cborNull)
	}
	return out
}

// cborString is a text of less than 24 bytes.
func cborString(s string) []byte { return append([]byte{cborText | byte(len(s))}, s...) }

// document reads {"Attestation": {"document": bytes}}, and nothing else. A module that refuses answers {"Error": …}.
func document(answer []byte) ([]byte, error) {
	prefix := append([]byte{cborMap | 1}, cborString("Attestation")...)
	prefix = append(append(prefix, cborMap|1), cborString("document")...)
	if len(answer) < len(prefix)+3 || string(answer[:len(prefix)]) != string(prefix) {
		return nil, failed("the module refused", nil)
	}
	rest := answer[len(prefix):]
	var n int
	switch rest[0] {
	case cborBytes | cborLen8:
		n, rest = int(rest[1]), rest[2:]
	case cborBytes | cborLen16:
		n, rest = int(rest[1])<<8|int(rest[2]), rest[3:]
	default:
		return nil, failed("not an attestation document", nil)
	}
	if n == 0 || n != len(rest) {
		return nil, failed("not an attestation document", nil)
	}
	return rest, nil
}
