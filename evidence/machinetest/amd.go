package machinetest

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-sev-guest/abi"
	"github.com/google/go-sev-guest/kds"
	fake "github.com/google/go-sev-guest/testing"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/snp"
)

// amd is a hierarchy with AMD's names, and two states of one chip: AMD makes a key for each TCB.
type amd struct {
	anchors      snp.Anchors
	current, old *fake.AmdSigner
}

const (
	currentTCB = 219<<56 | 24<<48 | 4
	oldTCB     = 115<<56 | 24<<48 | 4
)

func (m *Machines) newAMD(t testing.TB) *amd {
	t.Helper()
	keys, made := fake.DefaultAmdKeys(), m.at.AddDate(0, -1, 0)
	sign := func(tcb uint64) *fake.AmdSigner {
		b := &fake.AmdSignerBuilder{
			Keys: keys, ProductName: "Milan-B1", TCB: kds.TCBVersion(tcb),
			ArkCreationTime: made, AskCreationTime: made, AsvkCreationTime: made, VcekCreationTime: made, VlekCreationTime: made, CSPID: "a provider",
		}
		b.VcekCustom.Extensions = fake.CustomExtensions(kds.DecomposeTCBVersion(kds.TCBVersion(tcb)), make([]byte, 64), "", "Milan-B1")
		b.VlekCustom.Extensions = fake.CustomExtensions(kds.DecomposeTCBVersion(kds.TCBVersion(tcb)), nil, "a provider", "Milan-B1")
		s, err := b.TestOnlyCertChain()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a := &amd{current: sign(currentTCB)}
	// One root: the second chain takes its key from the same keys, and its certificates from the first.
	a.old = sign(oldTCB)
	for _, between := range []*x509.Certificate{a.current.Ask, a.current.Asvk} {
		var src []byte
		for _, c := range []*x509.Certificate{between, a.current.Ark} {
			src = append(src, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
		}
		anchor, err := snp.ParseAnchors(src)
		if err != nil {
			t.Fatal(err)
		}
		a.anchors = a.anchors.And(anchor)
	}
	return a
}

// Places in a report (AMD 56860, table 23).
const (
	atPolicy      = 0x08
	atCurrentTCB  = 0x38
	atReportData  = 0x50
	atMeasurement = 0x90
	atHostData    = 0xc0
	atReportedTCB = 0x180
	atCommitted   = 0x1e0
	atLaunchTCB   = 0x1f0
)

func (m *Machines) snpReport(t testing.TB, e Enclave, data evidence.ReportData) hosted.Quoted {
	t.Helper()
	signer, tcb := m.amd.current, uint64(currentTCB)
	if e.Outdated {
		signer, tcb = m.amd.old, oldTCB
	}
	o := fake.TestReportOptions{Version: 3, FMS: 0xa00f11, ReportData: data[:]}
	if e.Version2 {
		o.Version, o.FMS = 2, 0
	}
	key := signer.Vcek
	if e.VLEK {
		o.SignerInfo.SigningKey, key = abi.VlekReportSigner, signer.Vlek
	}
	whole := fake.CreateRawReport(&o)
	raw := whole[:snp.ReportSize]
	policy := uint64(1<<17 | 1<<16)
	if e.Debug {
		policy |= 1 << 19
	}
	if e.Moves {
		policy |= 1 << 18
	}
	binary.LittleEndian.PutUint64(raw[atPolicy:], policy)
	for _, at := range []int{atCurrentTCB, atReportedTCB, atCommitted, atLaunchTCB} {
		binary.LittleEndian.PutUint64(raw[at:], tcb)
	}
	copy(raw[atReportData:], data[:])
	copy(raw[atMeasurement:], measured(e, "measurement", 48))
	copy(raw[atHostData:], measured(e, "hostdata", 32))
	r, s, err := signer.Sign(abi.SignedComponent(raw))
	if err != nil {
		t.Fatal(err)
	}
	if err := abi.SetSignature(r, s, raw); err != nil {
		t.Fatal(err)
	}
	out := hosted.Quoted{Quote: bytes.Clone(raw)}
	if !e.Bare {
		from, until := m.window(e)
		out.Endorsements = [][]byte{key.Raw, m.amd.list(t, e, from, until)}
	}
	return out
}

// list is the root's, which names the intermediate keys if they are revoked.
func (a *amd) list(t testing.TB, e Enclave, from, until time.Time) []byte {
	t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: from, NextUpdate: until, SignatureAlgorithm: x509.SHA384WithRSAPSS}
	if e.Revoked {
		for _, c := range []*x509.Certificate{a.current.Ask, a.current.Asvk} {
			list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: from})
		}
	}
	ark := *a.current.Ark
	ark.KeyUsage = x509.KeyUsageCRLSign
	if ark.SubjectKeyId == nil {
		ark.SubjectKeyId = []byte{1}
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, &ark, a.current.Keys.Ark)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
