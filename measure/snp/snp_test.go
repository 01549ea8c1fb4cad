package snp

import (
	"encoding/binary"
	"errors"
	"testing"
)

func launch(t testing.TB) Launch {
	t.Helper()
	c := case_{Seed: 9, Pages: 2, Offset: 0xc00, Initrd: 100}
	firmware, kernel, initrd := c.files()
	f, err := ReadFirmware(firmware)
	if err != nil {
		t.Fatal(err)
	}
	boot, err := BootOf(kernel, initrd, "quiet")
	if err != nil {
		t.Fatal(err)
	}
	return Launch{Firmware: f, Boot: boot, VCPUs: 2, Signature: 0x800f12, Features: 1}
}

// TestEverythingCounts: whatever differs in what is started, the digest differs.
func TestEverythingCounts(t *testing.T) {
	base, err := launch(t).Digest()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Launch){
		"kernel":        func(l *Launch) { l.Boot.Kernel[5]++ },
		"initrd":        func(l *Launch) { l.Boot.Initrd[5]++ },
		"command line":  func(l *Launch) { l.Boot.Cmdline += " debug" },
		"firmware":      func(l *Launch) { l.Firmware.image[0]++ },
		"reset vector":  func(l *Launch) { l.Firmware.reset++ },
		"processors":    func(l *Launch) { l.VCPUs++ },
		"their model":   func(l *Launch) { l.Signature++ },
		"features":      func(l *Launch) { l.Features |= 0x20 },
		"section kind":  func(l *Launch) { l.Firmware.sections[0].kind = sectionSecrets },
		"section place": func(l *Launch) { l.Firmware.sections[0].address += pageSize },
		"section size":  func(l *Launch) { l.Firmware.sections[0].size += pageSize },
	} {
		t.Run(name, func(t *testing.T) {
			l := launch(t)
			change(&l)
			if d, err := l.Digest(); err != nil || d == base {
				t.Errorf("the digest did not change, or: %v", err)
			}
		})
	}
}

func TestLaunchRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Launch)
		want   error
	}{
		"no firmware":        {func(l *Launch) { l.Firmware = nil }, ErrFirmware},
		"nothing to boot":    {func(l *Launch) { l.Boot = nil }, ErrBoot},
		"no kernel":          {func(l *Launch) { l.Boot.Kernel = [32]byte{} }, ErrBoot},
		"no root folder":     {func(l *Launch) { l.Boot.Initrd = [32]byte{} }, ErrBoot},
		"a long line":        {func(l *Launch) { l.Boot.Cmdline = string(make([]byte, 5000)) }, ErrBoot},
		"NUL":                {func(l *Launch) { l.Boot.Cmdline = "a\x00b" }, ErrBoot},
		"no processor":       {func(l *Launch) { l.VCPUs = 0 }, ErrVCPU},
		"too many":           {func(l *Launch) { l.VCPUs = maxVCPUs + 1 }, ErrVCPU},
		"no model":           {func(l *Launch) { l.Signature = 0 }, ErrVCPU},
		"not SNP":            {func(l *Launch) { l.Features = 0x20 }, ErrVCPU},
		"no reset vector":    {func(l *Launch) { l.Firmware.reset = 0 }, ErrVCPU},
		"no page of hashes":  {func(l *Launch) { l.Firmware.sections = l.Firmware.sections[:5] }, ErrNoHashes},
		"hashes elsewhere":   {func(l *Launch) { l.Firmware.hashes += pageSize }, ErrFirmware},
		"hashes leave page":  {func(l *Launch) { l.Firmware.hashes |= 0xff0 }, ErrFirmware},
		"hashes not settled": {func(l *Launch) { l.Firmware.hashes = 0 }, ErrFirmware},
	} {
		t.Run(name, func(t *testing.T) {
			l := launch(t)
			c.change(&l)
			if d, err := l.Digest(); !errors.Is(err, c.want) || d != (Digest{}) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestBootOfNothing(t *testing.T) {
	if b, err := BootOf(nil, []byte("root"), "quiet"); !errors.Is(err, ErrBoot) || b != nil {
		t.Errorf("got %v, %v", b, err)
	}
}

func TestFirmwareRefused(t *testing.T) {
	good, _, _ := case_{Seed: 9, Pages: 2}.files()
	table := len(good) - tableEnd
	meta := len(good) - 1024
	for name, change := range map[string]func([]byte) []byte{
		"nothing":           func([]byte) []byte { return nil },
		"half a page":       func(b []byte) []byte { return b[:pageSize/2] },
		"no footer":         func(b []byte) []byte { b[table-1]++; return b },
		"table too long":    func(b []byte) []byte { binary.LittleEndian.PutUint16(b[table-entryHeader:], 0xffff); return b },
		"table cut":         func(b []byte) []byte { binary.LittleEndian.PutUint16(b[table-entryHeader:], 20); return b },
		"entry too long":    func(b []byte) []byte { binary.LittleEndian.PutUint16(b[table-2*entryHeader:], 0xffff); return b },
		"entry of no size":  func(b []byte) []byte { binary.LittleEndian.PutUint16(b[table-2*entryHeader:], 0); return b },
		"no metadata":       func(b []byte) []byte { b[table-entryHeader-1]++; return b },
		"metadata outside":  func(b []byte) []byte { binary.LittleEndian.PutUint32(b[table-2*entryHeader-4:], 1<<30); return b },
		"metadata too near": func(b []byte) []byte { binary.LittleEndian.PutUint32(b[table-2*entryHeader-4:], 8); return b },
		"another signature": func(b []byte) []byte { b[meta] = 'B'; return b },
		"another version":   func(b []byte) []byte { b[meta+8] = 2; return b },
		"another size":      func(b []byte) []byte { b[meta+4]++; return b },
		"no sections":       func(b []byte) []byte { b[meta+4], b[meta+12] = 16, 0; return b },
		"an odd address":    func(b []byte) []byte { b[meta+16]++; return b },
		"an odd size":       func(b []byte) []byte { b[meta+20]++; return b },
		"a large section":   func(b []byte) []byte { b[meta+23] = 0x70; return b },
		"an unknown kind":   func(b []byte) []byte { b[meta+24] = 9; return b },
		"two pages of CPUID": func(b []byte) []byte {
			binary.LittleEndian.PutUint32(b[meta+16+3*12+4:], 2*pageSize)
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := change(append([]byte(nil), good...))
			if f, err := ReadFirmware(b); !errors.Is(err, ErrFirmware) || f != nil {
				t.Errorf("got %v, %v", f, err)
			}
		})
	}
}

func TestModelsHaveSignatures(t *testing.T) {
	if len(Models()) < 6 {
		t.Fatal("models are missing")
	}
	for _, m := range Models() {
		if s, err := Signature(m); err != nil || s == 0 {
			t.Errorf("%s: %v", m, err)
		}
	}
	if _, err := Signature("host"); !errors.Is(err, ErrVCPU) {
		t.Errorf("host: %v", err)
	}
}

func FuzzReadFirmware(f *testing.F) {
	good, _, _ := case_{Seed: 9, Pages: 1}.files()
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		fw, err := ReadFirmware(b)
		if err != nil {
			return
		}
		l := launch(t)
		l.Firmware = fw
		if _, err := l.Digest(); err != nil && !errors.Is(err, ErrFirmware) && !errors.Is(err, ErrNoHashes) && !errors.Is(err, ErrVCPU) {
			t.Error(err)
		}
	})
}
