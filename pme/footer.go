package pme

import (
	"encoding/binary"
	"io"
)

const (
	magicSize      = 4
	magicPlain     = "PAR1"
	magicEncrypted = "PARE"
	trailerSize    = 4 + magicSize // length of the footer, magic
)

// tail is the end of a file, split into its parts. Nothing in it is authenticated yet.
type tail struct {
	encrypted bool   // encrypted footer: magic PARE
	footer    []byte // encrypted: the footer's module; plain: the serialized FileMetaData
	signature []byte // plain: what follows the FileMetaData, empty or a signature
	crypto    []byte // encrypted: the serialized FileCryptoMetaData
	start     int64  // where the footer (with its crypto metadata) starts in the file
	algorithm *algorithm
	meta      record // plain: the parsed FileMetaData
	keyMeta   []byte // key metadata of the footer key, unauthenticated in encrypted files
	hasMeta   bool
}

// readTail reads as much of the end of src as the footer takes.
func readTail(src io.ReaderAt, size int64) ([]byte, error) {
	off, n := ReadFooterRange(size)
	buf, err := readRange(src, Range{off, n})
	if err != nil {
		return nil, err
	}
	need, err := footerRange(buf, size)
	if err != nil || need.Off >= off {
		return buf, err
	}
	return readRange(src, need)
}

func readRange(src io.ReaderAt, r Range) ([]byte, error) {
	buf := make([]byte, r.Len)
	if n, err := src.ReadAt(buf, r.Off); n != len(buf) {
		return nil, readError(err)
	}
	return buf, nil
}

// footerRange says which range the footer with its trailer takes, from the last bytes of the file.
func footerRange(end []byte, size int64) (Range, error) {
	if len(end) < trailerSize || size < magicSize+trailerSize {
		return Range{}, malformed("end of file")
	}
	switch string(end[len(end)-magicSize:]) {
	case magicPlain, magicEncrypted:
	default:
		return Range{}, malformed("end of file")
	}
	n := int64(binary.LittleEndian.Uint32(end[len(end)-trailerSize:]))
	if n > maxFooter || n > size-trailerSize-magicSize {
		return Range{}, malformed("footer length")
	}
	return Range{Off: size - trailerSize - n, Len: n + trailerSize}, nil
}

// splitTail takes the last bytes of a file apart.
func splitTail(end []byte, size int64) (*tail, error) {
	if int64(len(end)) > size {
		return nil, &partError{"tail", ErrOptions}
	}
	r, err := footerRange(end, size)
	if err != nil {
		return nil, err
	}
	if r.Len > int64(len(end)) {
		return nil, &ShortTailError{Need: r}
	}
	body := end[int64(len(end))-r.Len : len(end)-trailerSize]
	t := &tail{start: r.Off, encrypted: string(end[len(end)-magicSize:]) == magicEncrypted}
	if t.encrypted {
		return t, t.splitEncrypted(body)
	}
	return t, t.splitPlain(body)
}

// splitEncrypted: FileCryptoMetaData, then the footer's module up to the end. The crypto metadata is not authenticated,
// so nothing unknown may be in it.
func (t *tail) splitEncrypted(body []byte) error {
	fc, n, err := parseRecord(nil, body)
	if err != nil || fc.only(fcAlgorithm, fcKeyMetadata) != nil {
		return malformed("crypto metadata")
	}
	if t.algorithm, err = parseAlgorithm(fc, fcAlgorithm); err != nil {
		return err
	}
	if t.algorithm == nil {
		return malformed("crypto metadata")
	}
	if t.keyMeta, t.hasMeta, err = fc.binary(fcKeyMetadata); err != nil {
		return malformed("crypto metadata")
	}
	t.crypto, t.footer = body[:n:n], body[n:]
	return nil
}

// splitPlain: FileMetaData, then a signature or nothing.
func (t *tail) splitPlain(body []byte) error {
	meta, n, err := parseRecord(nil, body)
	if err != nil {
		return malformed("footer")
	}
	if t.algorithm, err = parseAlgorithm(meta, fmAlgorithm); err != nil {
		return err
	}
	if t.keyMeta, t.hasMeta, err = meta.binary(fmSigningKey); err != nil {
		return malformed("footer")
	}
	t.meta, t.footer, t.signature = meta, body[:n:n], body[n:]
	return nil
}

// algorithm is the file's EncryptionAlgorithm.
type algorithm struct {
	ctr          bool
	prefix       []byte // stored AAD prefix
	unique       []byte // identifier of the file
	supplyPrefix bool
}

// parseAlgorithm reads the union in a field; nil where the field is absent.
func parseAlgorithm(in record, id int16) (*algorithm, error) {
	union, ok, err := in.nested(id)
	if err != nil {
		return nil, malformed("encryption algorithm")
	}
	if !ok {
		return nil, nil
	}
	if len(union) != 1 || union.only(algGCM, algCTR) != nil {
		return nil, unsupported("encryption algorithm")
	}
	a := &algorithm{ctr: union[0].id == algCTR}
	return a, a.parse(union)
}

func (a *algorithm) parse(union record) error {
	aes, _, err := union.nested(union[0].id)
	if err != nil || aes.only(aesPrefix, aesFileUnique, aesSupplyPrefix) != nil {
		return malformed("encryption algorithm")
	}
	var errs [3]error
	a.prefix, _, errs[0] = aes.binary(aesPrefix)
	a.unique, _, errs[1] = aes.binary(aesFileUnique)
	a.supplyPrefix, errs[2] = aes.boolean(aesSupplyPrefix)
	for _, err := range errs {
		if err != nil {
			return malformed("encryption algorithm")
		}
	}
	if len(a.unique) == 0 || len(a.unique) > maxAADPart || len(a.prefix) > maxAADPart ||
		a.supplyPrefix && len(a.prefix) > 0 {
		return malformed("encryption algorithm")
	}
	return nil
}

// aad joins prefix and identifier. The prefix the caller supplies must be the one in use.
func (a *algorithm) aad(supplied []byte) (fileAAD, error) {
	prefix := a.prefix
	switch {
	case a.supplyPrefix && len(supplied) == 0:
		return nil, &partError{"none was supplied and the file does not store its own", ErrAADPrefix}
	case a.supplyPrefix:
		prefix = supplied
	case len(supplied) > 0 && len(a.prefix) == 0:
		return nil, &partError{"one was supplied and the file uses none", ErrAADPrefix}
	case len(supplied) > 0 && string(supplied) != string(a.prefix):
		return nil, &partError{"the file stores another one", ErrAADPrefix}
	}
	return fileAAD(append(append([]byte(nil), prefix...), a.unique...)), nil
}

// openFooter decrypts or verifies the footer and returns its FileMetaData.
func (t *tail) openFooter(key *boxKey, aad fileAAD) (record, error) {
	if t.encrypted {
		plain, err := key.openModule(t.footer, aad.footer())
		if err != nil {
			return nil, tampered("footer")
		}
		meta, err := wholeRecord(plain)
		if err != nil {
			return nil, malformed("footer")
		}
		return meta, nil
	}
	if !key.signs(t.footer, t.signature, aad.footer()) {
		return nil, tampered("footer signature")
	}
	return t.meta, nil
}
