package snp

import (
	"bytes"
	"encoding/hex"
	"os"
	"testing"
	"time"

	evidence "github.com/cordon-exchange/cordon/evidence/snp"
)

// TestHardware computes what an EPYC 7003 measured, in a report that AMD's root vouches for: recorded by dstack (github.com/
// Dstack-TEE/dstack, dstack-attest/tests, Apache-2.0) from a guest that QEMU 10.0.2 booted directly, with the inputs of the
// launch beside it. Firmware enters by the digest over its pages, kernel and root folder by their hashes.
func TestHardware(t *testing.T) {
	report, err := os.ReadFile("testdata/milan-2026.report.bin")
	if err != nil {
		t.Fatal(err)
	}
	vcek, err := os.ReadFile("testdata/milan-2026.vcek.der")
	if err != nil {
		t.Fatal(err)
	}
	roots, err := evidence.AMD()
	if err != nil {
		t.Fatal(err)
	}
	v, err := evidence.Verify(report, vcek, evidence.Options{Anchors: roots, At: time.Date(2026, 6, 18, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	signature, err := Signature("EPYC-v4")
	if err != nil {
		t.Fatal(err)
	}
	l := Launch{
		Firmware: &Firmware{
			reset: 8433668, hashes: 8457216,
			sections: []section{
				{8388608, 36864, sectionMemory}, {8429568, 12288, sectionMemory}, {8441856, 4096, sectionSecrets},
				{8445952, 4096, sectionCPUID}, {8450048, 4096, sectionSVSM}, {8458240, 61440, sectionMemory}, {8454144, 4096, sectionHashes},
			},
		},
		Boot: &Boot{
			Kernel: [32]byte(unhex(t, "dd9ea274ce9a07090b22e8284b0c841b65c021c2d15ca57d0f16731089dd226c")),
			Initrd: [32]byte(unhex(t, "5f844c4a2ca5a3d0711b3db38293b21ba929bb8e0b3c5bc1a779a57f69221c19")),
			Cmdline: "console=ttyS0 init=/init panic=1 net.ifnames=0 biosdevname=0 mce=off oops=panic pci=noearly pci=nommconf random.trust_cpu=y " +
				"random.trust_bootloader=n tsc=reliable no-kvmclock " +
				"dstack.rootfs_hash=ca5adaef0ac3a36108035925763b48a5818f634e700fbaab561d419fd30d7121 dstack.rootfs_size=490713088",
		},
		VCPUs: 2, Signature: signature, Features: 1,
	}
	if err := l.valid(); err != nil {
		t.Fatal(err)
	}
	d := Digest(unhex(t, "ffb57e393469a497c0e3b07bd1c97d8611e555f464d14491837665893ac642b263a71f9507ff100a847897fe0c3f8c6f"))
	if err := l.after(&d); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(d[:], v.Measurement) {
		t.Errorf("computed %x, measured %x", d, v.Measurement)
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
