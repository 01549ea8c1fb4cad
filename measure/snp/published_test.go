package snp

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

// amdSev is the metadata of the firmware that sev-snp-measure (github.com/virtee/sev-snp-measure, 0.0.13) has in its tests:
// edk2's OvmfPkg/AmdSev. The firmware itself enters by the digest over its pages, which those tests state.
func amdSev() *Firmware {
	return &Firmware{
		reset: 0x80b004, hashes: 0x810c00,
		sections: []section{
			{0x800000, 0x9000, sectionMemory}, {0x80a000, 0x3000, sectionMemory}, {0x80d000, 0x1000, sectionSecrets},
			{0x80e000, 0x1000, sectionCPUID}, {0x80f000, 0x1000, sectionSVSM}, {0x810000, 0x1000, sectionHashes},
			{0x811000, 0xf000, sectionMemory},
		},
	}
}

const amdSevPages = "086e2e9149ebf45abdc3445fba5b2da8270bdbb04094d7a2c37faaa4b24af3aa16aff8c374c2a55c467a50da6d466b74"

// TestPublishedDigests compares with the values in sev-snp-measure's tests/test_guest.py, which boot empty files.
func TestPublishedDigests(t *testing.T) {
	signature, err := Signature("EPYC-v4")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cmdline  string
		vcpus    int
		features uint64
		want     string
	}{
		"test_snp_ovmf_hash_gen_default":                {"", 1, 0x21, "329c8ce0972ae52343b64d34a434a86f245dfd74f5ed7aae15d22efc78fb9683632b9b50e4e1d7fa41179ef98a7ef198"},
		"test_snp_ovmf_hash_gen_feature_snp_only":       {"", 1, 0x1, "ddc5224521617a536ee7ce9dd6224d1b58a8d4fda1c741f3ac99fc4bfa04ba6e9fc98646d4a07a9079397fa3852819b5"},
		"test_snp_default":                              {"console=ttyS0 loglevel=7", 1, 0x21, "803f691094946e42068aaa3a8f9e26a5c89f36f7b73ecfb28c653360fe4b3aba7e534442e7e1e17895dfe778d0228977"},
		"test_snp_guest_feature_snp_only":               {"console=ttyS0 loglevel=7", 1, 0x1, "6d287813eb5222d770f75005c664e34c204f385ce832cc2ce7d0d6f354454362f390ef83a92046c042e706363b4b08fa"},
		"test_snp_with_multiple_vcpus_default":          {"", 4, 0x21, "4953b1fb416fa874980e8442b3706d345926d5f38879134e00813c5d7abcbe78eafe7b422907be0b4698e2414a631942"},
		"test_snp_with_multiple_vcpus_feature_snp_only": {"", 4, 0x1, "5061fffb019493a903613d56d54b94912a1a2f9e4502385f5c194616753720a92441310ba6c4933de877c36e23046ad5"},
	} {
		t.Run(name, func(t *testing.T) {
			var d Digest
			if _, err := hex.Decode(d[:], []byte(amdSevPages)); err != nil {
				t.Fatal(err)
			}
			l := Launch{Firmware: amdSev(), Boot: &Boot{Kernel: sha256.Sum256(nil), Initrd: sha256.Sum256(nil), Cmdline: c.cmdline}, VCPUs: c.vcpus, Signature: signature, Features: c.features}
			if err := l.after(&d); err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(d[:]); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
