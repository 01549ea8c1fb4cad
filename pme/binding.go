package pme

import (
	"encoding/base64"
	"encoding/binary"
)

// The format leaves two things of an encrypted-footer file without authentication: the crypto metadata in front of the
// footer (of which the key metadata enters no AAD), and bytes that no offset points at. Seal therefore writes, inside
// the encrypted footer, where the footer starts and a copy of the crypto metadata; opening compares where it finds it.
// Files of other writers do not have it. Spec: section "Binding".
const bindingKey = "cordon.sealed"

// bindingValue is base64 of the footer's start (8 bytes, little endian) and the FileCryptoMetaData as written.
func bindingValue(start int64, crypto []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(start))
	b = append(b, crypto...)
	return base64.StdEncoding.AppendEncode(nil, b)
}

// checkBinding compares what the footer says about its surroundings with what they are.
func checkBinding(meta record, t *tail) error {
	pairs, err := keyValues(meta)
	if err != nil {
		return err
	}
	for _, kv := range pairs {
		if kv.key == bindingKey && (!t.encrypted || kv.value != string(bindingValue(t.start, t.crypto))) {
			return tampered("crypto metadata")
		}
	}
	return nil
}

// keyValue is one entry of the footer's key-value metadata.
type keyValue struct {
	key, value string
	raw        []byte
}

func keyValues(meta record) ([]keyValue, error) {
	items, _, err := meta.list(fmKeyValue, wireStruct)
	if err != nil {
		return nil, malformed("key-value metadata")
	}
	out := make([]keyValue, len(items))
	for i, it := range items {
		kv, err := wholeRecord(it)
		if err != nil {
			return nil, malformed("key-value metadata")
		}
		key, _, err1 := kv.binary(kvKey)
		value, _, err2 := kv.binary(kvValue)
		if err1 != nil || err2 != nil {
			return nil, malformed("key-value metadata")
		}
		out[i] = keyValue{string(key), string(value), it}
	}
	return out, nil
}

// withoutBinding returns the key-value metadata less the binding, to be written to another file.
func withoutBinding(meta record) (record, error) {
	pairs, err := keyValues(meta)
	if err != nil {
		return nil, err
	}
	var keep [][]byte
	for _, kv := range pairs {
		if kv.key != bindingKey {
			keep = append(keep, kv.raw)
		}
	}
	if len(keep) == 0 {
		return meta.without(fmKeyValue), nil
	}
	return meta.with(listField(fmKeyValue, wireStruct, keep)), nil
}
