package snp

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "ask sev-snp-measure (PyPI, 0.0.13), which must be on the path, and write what it answers")

// case_ is a launch that sev-snp-measure computed the digest of. Its files are made from the seed.
type case_ struct {
	Seed     uint64 `json:"seed"`
	Pages    int    `json:"pages"`
	Offset   uint32 `json:"offset"` // of the table of hashes in its page
	Model    string `json:"model"`
	VCPUs    int    `json:"vcpus"`
	Features uint64 `json:"features"`
	Cmdline  string `json:"cmdline"`
	Initrd   int    `json:"initrd"`
	Digest   string `json:"digest"`
}

func cases() []case_ {
	return []case_{
		{Seed: 1, Pages: 1, Offset: 0xc00, Model: "EPYC", VCPUs: 1, Features: 1, Initrd: 0},
		{Seed: 2, Pages: 2, Offset: 0, Model: "EPYC-v4", VCPUs: 1, Features: 1, Cmdline: "quiet", Initrd: 10},
		{Seed: 3, Pages: 7, Offset: 0x400, Model: "EPYC-Rome", VCPUs: 2, Features: 0x21, Cmdline: "console=ttyS0 panic=-1", Initrd: 70000},
		{Seed: 4, Pages: 3, Offset: 0xf50, Model: "EPYC-Milan", VCPUs: 3, Features: 1, Cmdline: "a=b c", Initrd: 1},
		{Seed: 5, Pages: 16, Offset: 0x10, Model: "EPYC-Genoa", VCPUs: 64, Features: 1, Initrd: 4096},
		{Seed: 6, Pages: 1, Offset: 0xc00, Model: "EPYC-Turin", VCPUs: 5, Features: 0x21, Cmdline: strings.Repeat("x", 2000), Initrd: 4097},
	}
}

// files makes firmware with all kinds of sections, a kernel and a first root folder.
func (c case_) files() (firmware, kernel, initrd []byte) {
	r := rand.New(rand.NewPCG(c.Seed, 0))
	fill := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	firmware = fill(c.Pages * pageSize)
	putFirmware(firmware, 0x80b004+uint32(c.Seed), 0x810000+c.Offset, amdSev().sections)
	return firmware, fill(10000 + int(c.Seed)), fill(c.Initrd)
}

// putFirmware writes metadata and the table that leads to it over the end of an image.
func putFirmware(image []byte, reset, hashes uint32, sections []section) {
	meta := []byte("ASEV")
	meta = binary.LittleEndian.AppendUint32(meta, uint32(16+12*len(sections)))
	meta = binary.LittleEndian.AppendUint32(meta, 1)
	meta = binary.LittleEndian.AppendUint32(meta, uint32(len(sections)))
	for _, s := range sections {
		for _, v := range []uint32{s.address, s.size, s.kind} {
			meta = binary.LittleEndian.AppendUint32(meta, v)
		}
	}
	const back = 1024
	copy(image[len(image)-back:], meta)
	var table []byte
	for _, e := range []struct {
		guid  [16]byte
		value uint32
	}{{guidHashes, hashes}, {guidReset, reset}, {guidMetadata, back}} {
		table = binary.LittleEndian.AppendUint32(table, e.value)
		table = binary.LittleEndian.AppendUint16(table, 4+entryHeader)
		table = append(table, e.guid[:]...)
	}
	table = binary.LittleEndian.AppendUint16(table, uint16(len(table)+entryHeader))
	table = append(table, guidFooter[:]...)
	copy(image[len(image)-tableEnd-len(table):], table)
}

func (c case_) digest(t *testing.T) string {
	t.Helper()
	firmware, kernel, initrd := c.files()
	f, err := ReadFirmware(firmware)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := Signature(c.Model)
	if err != nil {
		t.Fatal(err)
	}
	boot, err := BootOf(kernel, initrd, c.Cmdline)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Launch{
		Firmware: f, Boot: boot,
		VCPUs: c.VCPUs, Signature: signature, Features: c.Features,
	}.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(d[:])
}

func (c case_) ask(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	firmware, kernel, initrd := c.files()
	for name, b := range map[string][]byte{"firmware": firmware, "kernel": kernel, "initrd": initrd} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("sev-snp-measure", "--mode", "snp", "--vcpus", strconv.Itoa(c.VCPUs), "--vcpu-type", c.Model,
		"--guest-features", "0x"+strconv.FormatUint(c.Features, 16),
		"--ovmf", "firmware", "--kernel", "kernel", "--initrd", "initrd", "--append", c.Cmdline)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// TestSameAsOtherProgram compares with what another program, which shares no code with this one, computed for the same files.
func TestSameAsOtherProgram(t *testing.T) {
	const file = "testdata/sev-snp-measure.json"
	if *update {
		all := cases()
		for i := range all {
			all[i].Digest = all[i].ask(t)
		}
		b, err := json.MarshalIndent(all, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var recorded []case_
	if err := json.Unmarshal(b, &recorded); err != nil {
		t.Fatal(err)
	}
	if len(recorded) != len(cases()) {
		t.Fatalf("%d cases recorded, %d known", len(recorded), len(cases()))
	}
	for _, c := range recorded {
		if got := c.digest(t); got != c.Digest {
			t.Errorf("seed %d: got  %s\nwant %s", c.Seed, got, c.Digest)
		}
	}
}
