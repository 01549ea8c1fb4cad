package snp

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Errors of what is booted.
var (
	ErrNoHashes = errors.New("snp: the firmware does not measure what it boots")
	ErrBoot     = errors.New("snp: nothing to boot, or not as it can be measured")
)

// Boot is what the guest boots. All three are measured.
type Boot struct {
	Kernel  [sha256.Size]byte // required: of the bzImage, as given to QEMU
	Initrd  [sha256.Size]byte // required: of the first root folder; of no bytes where there is none
	Cmdline string            // without a NUL
}

// BootOf hashes what is booted.
func BootOf(kernel, initrd []byte, cmdline string) (*Boot, error) {
	if len(kernel) == 0 {
		return nil, fmt.Errorf("%w: no kernel", ErrBoot)
	}
	return &Boot{Kernel: sha256.Sum256(kernel), Initrd: sha256.Sum256(initrd), Cmdline: cmdline}, nil
}

func (b *Boot) valid() error {
	var none [sha256.Size]byte
	switch {
	case b == nil || b.Kernel == none || b.Initrd == none:
		return fmt.Errorf("%w: no kernel or no root folder", ErrBoot)
	case len(b.Cmdline) > maxCmdline || strings.ContainsRune(b.Cmdline, 0):
		return fmt.Errorf("%w: command line", ErrBoot)
	}
	return nil
}

var (
	guidTable   = [16]byte{0x06, 0xd6, 0x38, 0x94, 0x22, 0x4f, 0xc9, 0x4c, 0xb4, 0x79, 0xa7, 0x93, 0xd4, 0x11, 0xfd, 0x21}
	guidKernel  = [16]byte{0x37, 0x94, 0xe7, 0x4d, 0xd2, 0xab, 0x7f, 0x42, 0xb8, 0x35, 0xd5, 0xb1, 0x72, 0xd2, 0x04, 0x5b}
	guidInitrd  = [16]byte{0x31, 0xf7, 0xba, 0x44, 0x2f, 0x3a, 0xd7, 0x4b, 0x9a, 0xf1, 0x41, 0xe2, 0x91, 0x69, 0x78, 0x1d}
	guidCmdline = [16]byte{0xd8, 0x2d, 0xd0, 0x97, 0x20, 0xbd, 0x94, 0x4c, 0xaa, 0x78, 0xe7, 0x71, 0x4d, 0x36, 0xab, 0x2a}
)

const (
	hashEntry = 16 + 2 + sha256.Size
	hashTable = 16 + 2 + 3*hashEntry
	hashAlign = 16
	hashSize  = (hashTable + hashAlign - 1) / hashAlign * hashAlign
)

// page is the page of hashes that QEMU writes and the firmware compares with what it is given to boot.
func (b *Boot) page(offset uint32) ([]byte, error) {
	if int(offset)+hashSize > pageSize {
		return nil, fmt.Errorf("%w: the table of hashes leaves its page", ErrFirmware)
	}
	t := make([]byte, offset, pageSize)
	t = append(t, guidTable[:]...)
	t = binary.LittleEndian.AppendUint16(t, hashTable)
	t = appendHash(t, guidCmdline, sha256.Sum256(append([]byte(b.Cmdline), 0)))
	t = appendHash(t, guidInitrd, b.Initrd)
	t = appendHash(t, guidKernel, b.Kernel)
	return t[:pageSize], nil
}

func appendHash(t []byte, guid [16]byte, sum [sha256.Size]byte) []byte {
	t = append(t, guid[:]...)
	t = binary.LittleEndian.AppendUint16(t, hashEntry)
	return append(t, sum[:]...)
}
