package attest

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"strings"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
)

// Entry is a request for a report in the kernel's configfs-tsm (Documentation/ABI/testing/configfs-tsm of Linux), with its files open.
// What is written to In takes effect when it is closed; the others are read after that. An entry serves once.
type Entry struct {
	In                             io.WriteCloser
	Out, Aux, Provider, Generation io.Reader
}

// Providers that the kernel names.
const (
	ProviderSNP = "sev_guest"
	ProviderTDX = "tdx_guest"
)

// Limits in bytes.
const (
	maxAux  = 64 << 10
	maxText = 64
)

// once is the generation of an entry that was written to once, and by nobody else.
const once = "1"

// TSM has reports made through entries, which are used up one by one. kind is what the perimeter's name promises: a machine of another
// maker is refused.
func TSM(kind string, entries []Entry) (Attester, error) {
	provider, ok := map[string]string{evidence.SNP: ProviderSNP, evidence.TDX: ProviderTDX}[kind]
	if !ok || len(entries) == 0 {
		return nil, failed("no report to be had", nil)
	}
	return func(_ context.Context, data evidence.ReportData) (hosted.Quoted, error) {
		if len(entries) == 0 {
			return hosted.Quoted{}, failed("no report left", nil)
		}
		e := entries[0]
		entries = entries[1:]
		return e.quote(provider, data)
	}, nil
}

func (e Entry) quote(provider string, data evidence.ReportData) (q hosted.Quoted, err error) {
	if _, err := e.In.Write(data[:]); err != nil {
		return q, failed("report data", err)
	}
	if err := e.In.Close(); err != nil {
		return q, failed("report data", err)
	}
	report, err := readUpTo(e.Out, hosted.MaxQuote)
	if err != nil || len(report) == 0 {
		return q, failed("report", err)
	}
	named, err := text(e.Provider)
	if err != nil || named != provider {
		return q, failed("a machine of another kind", err)
	}
	q.Quote = report
	if provider == ProviderSNP {
		aux, err := readUpTo(e.Aux, maxAux)
		if err != nil {
			return hosted.Quoted{}, failed("certificates", err)
		}
		if q.Endorsements, err = certificates(aux); err != nil {
			return hosted.Quoted{}, err
		}
	}
	if g, err := text(e.Generation); err != nil || g != once {
		return hosted.Quoted{}, failed("somebody else used the entry", err)
	}
	return q, nil
}

func readUpTo(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = io.ErrShortBuffer
	}
	return b, err
}

func text(r io.Reader) (string, error) {
	b, err := readUpTo(r, maxText)
	return strings.TrimSpace(string(b)), err
}

// Names of certificates in the table that SNP's firmware hands on (AMD, SEV-ES Guest-Hypervisor Communication Block, section 4.1.8.1),
// as bytes of their GUIDs: of the key that signs for one chip, and for a cloud's.
var (
	vcek = []byte{0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd}
	vlek = []byte{0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8, 0xa1}
)

// tableEntry is the size of an entry: GUID, offset, length.
const tableEntry = 24

// certificates finds the certificate of the key that signed, if the host's firmware handed it on; else the host fetches it. A table has
// entries up to one of zeros.
func certificates(table []byte) ([][]byte, error) {
	for at := 0; at+tableEntry <= len(table); at += tableEntry {
		e := table[at : at+tableEntry]
		if bytes.Equal(e, make([]byte, tableEntry)) {
			return nil, nil
		}
		off, n := uint64(binary.LittleEndian.Uint32(e[16:])), uint64(binary.LittleEndian.Uint32(e[20:]))
		if off+n > uint64(len(table)) || n == 0 {
			return nil, failed("table of certificates", nil)
		}
		if bytes.Equal(e[:16], vcek) || bytes.Equal(e[:16], vlek) {
			return [][]byte{bytes.Clone(table[off : off+n])}, nil
		}
	}
	return nil, nil
}
