package snp

import (
	"crypto/sha512"
	"encoding/binary"
)

// Size of a launch digest.
const Size = sha512.Size384

// Digest is a launch digest, "measurement" in a report.
type Digest [Size]byte

// Types of pages in PAGE_INFO.
const (
	pageNormal  = 1
	pageVMSA    = 2
	pageZero    = 3
	pageSecrets = 5
	pageCPUID   = 6
)

const (
	pageSize     = 4096
	pageInfoSize = 0x70

	// vmsaAddress is where the firmware of the processor records every VMSA: the highest page of 52 address bits.
	vmsaAddress = 0xFFFFFFFFF000
)

// extend adds one page: the digest becomes the hash of PAGE_INFO, which contains the digest so far. All permissions of
// lower privilege levels and the mark of an initial migration image are zero.
func (d *Digest) extend(kind byte, address uint64, contents [Size]byte) {
	info := make([]byte, 0, pageInfoSize)
	info = append(info, d[:]...)
	info = append(info, contents[:]...)
	info = binary.LittleEndian.AppendUint16(info, pageInfoSize)
	info = append(info, kind, 0, 0, 0, 0, 0)
	info = binary.LittleEndian.AppendUint64(info, address)
	*d = sha512.Sum384(info)
}

// extendPages adds pages with contents. The length is whole pages.
func (d *Digest) extendPages(kind byte, address uint64, b []byte) {
	for i := 0; i < len(b); i += pageSize {
		d.extend(kind, address+uint64(i), sha512.Sum384(b[i:i+pageSize]))
	}
}

// extendBlank adds pages whose contents are not measured.
func (d *Digest) extendBlank(kind byte, address, size uint64) {
	for i := uint64(0); i < size; i += pageSize {
		d.extend(kind, address+i, [Size]byte{})
	}
}
