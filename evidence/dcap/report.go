package dcap

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// Enclave is the report of an SGX enclave (REPORT, without its MAC).
type Enclave struct {
	CPUSVN     [16]byte
	MiscSelect [4]byte
	Attributes [16]byte
	MREnclave  [32]byte
	MRSigner   [32]byte
	ConfigID   [64]byte
	ISVProdID  uint16
	ISVSVN     uint16
	ConfigSVN  uint16
	ReportData [64]byte
}

// TD is the report of a trust domain, of TDX 1.0 or 1.5.
type TD struct {
	Report         string // "1.0" or "1.5"
	TEETCBSVN      [16]byte
	MRSEAM         [48]byte
	MRSignerSEAM   [48]byte
	SEAMAttributes [8]byte
	Attributes     [8]byte
	XFAM           [8]byte
	MRTD           [48]byte
	MRConfigID     [48]byte
	MROwner        [48]byte
	MROwnerConfig  [48]byte
	RTMR           [4][48]byte
	ReportData     [64]byte
	TEETCBSVN2     [16]byte // of 1.5
	MRServiceTD    [48]byte // of 1.5
}

// parseEnclave reads a report of enclaveSize bytes.
func parseEnclave(b []byte) *Enclave {
	e := &Enclave{
		ISVProdID: binary.LittleEndian.Uint16(b[256:]),
		ISVSVN:    binary.LittleEndian.Uint16(b[258:]),
		ConfigSVN: binary.LittleEndian.Uint16(b[260:]),
	}
	copy(e.CPUSVN[:], b)
	copy(e.MiscSelect[:], b[16:])
	copy(e.Attributes[:], b[48:])
	copy(e.MREnclave[:], b[64:])
	copy(e.MRSigner[:], b[128:])
	copy(e.ConfigID[:], b[192:])
	copy(e.ReportData[:], b[320:])
	return e
}

// parseTD reads a report of td10Size or td15Size bytes.
func parseTD(b []byte) *TD {
	t := &TD{Report: "1.0"}
	parts := [][]byte{
		t.TEETCBSVN[:], t.MRSEAM[:], t.MRSignerSEAM[:], t.SEAMAttributes[:], t.Attributes[:], t.XFAM[:],
		t.MRTD[:], t.MRConfigID[:], t.MROwner[:], t.MROwnerConfig[:],
		t.RTMR[0][:], t.RTMR[1][:], t.RTMR[2][:], t.RTMR[3][:], t.ReportData[:],
	}
	if len(b) == td15Size {
		t.Report = "1.5"
		parts = append(parts, t.TEETCBSVN2[:], t.MRServiceTD[:])
	}
	for _, p := range parts {
		b = b[copy(p, b):]
	}
	return t
}

// Fields are what a quote says, by the names that collections of recorded evidence use; bytes are lower-case hex.
func (q *Quote) Fields() map[string]any {
	f := map[string]any{
		"quote_version": q.Version, "trailing_bytes": q.Trailing,
		"fmspc": hex.EncodeToString(q.PCK.FMSPC[:]), "pce_id": hex.EncodeToString(q.PCK.PCEID[:]),
		"pce_svn": int(q.PCK.PCESVN), "cpu_svn": hex.EncodeToString(q.PCK.CPUSVN[:]), "pck_ca": q.PCK.CA,
	}
	if q.TD != nil {
		q.TD.fields(f)
	} else {
		q.Enclave.fields(f)
	}
	return f
}

func (e *Enclave) fields(f map[string]any) {
	f["isv_prod_id"], f["isv_svn"], f["config_svn"] = int(e.ISVProdID), int(e.ISVSVN), int(e.ConfigSVN)
	for name, b := range map[string][]byte{
		"misc_select": e.MiscSelect[:], "attributes": e.Attributes[:], "mr_enclave": e.MREnclave[:],
		"mr_signer": e.MRSigner[:], "config_id": e.ConfigID[:], "report_data": e.ReportData[:],
	} {
		f[name] = hex.EncodeToString(b)
	}
}

func (t *TD) fields(f map[string]any) {
	f["td_report"] = t.Report
	for name, b := range map[string][]byte{
		"tee_tcb_svn": t.TEETCBSVN[:], "mr_seam": t.MRSEAM[:], "mr_signer_seam": t.MRSignerSEAM[:],
		"seam_attributes": t.SEAMAttributes[:], "td_attributes": t.Attributes[:], "xfam": t.XFAM[:],
		"mr_td": t.MRTD[:], "mr_config_id": t.MRConfigID[:], "mr_owner": t.MROwner[:],
		"mr_owner_config": t.MROwnerConfig[:], "report_data": t.ReportData[:],
	} {
		f[name] = hex.EncodeToString(b)
	}
	for i, r := range t.RTMR {
		f[fmt.Sprintf("rtmr%d", i)] = hex.EncodeToString(r[:])
	}
	if t.Report == "1.5" {
		f["tee_tcb_svn_2"], f["mr_service_td"] = hex.EncodeToString(t.TEETCBSVN2[:]), hex.EncodeToString(t.MRServiceTD[:])
	}
}
