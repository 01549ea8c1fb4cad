package rowgroup

import (
	"encoding/binary"
	"math/bits"
)

// packer appends integers of a fixed width in bits, lowest bit first.
type packer struct {
	dst  []byte
	acc  uint64
	n    int // bits in acc
	word [8]byte
}

func (p *packer) put(v uint64, width int) {
	p.acc |= v << p.n
	if p.n += width; p.n < 64 {
		return
	}
	p.dst = binary.LittleEndian.AppendUint64(p.dst, p.acc)
	p.n -= 64
	p.acc = v >> (width - p.n) // a shift by 64 gives 0
}

// flush writes what is left, in whole bytes.
func (p *packer) flush() {
	binary.LittleEndian.PutUint64(p.word[:], p.acc)
	p.dst = append(p.dst, p.word[:(p.n+7)/8]...)
	p.acc, p.n = 0, 0
}

// appendHybrid writes codes as runs of one value and as packed groups of eight (RLE of parquet-format).
func appendHybrid(dst []byte, codes []int32, width int) []byte {
	packed := 0 // start of what is to be packed; always a multiple of 8 before pos
	for pos := 0; pos < len(codes); {
		n := runLength(codes[pos:])
		if n < longRun {
			pos += 8
			continue
		}
		dst = appendPacked(dst, codes[packed:pos], width)
		dst = binary.AppendUvarint(dst, uint64(n)<<1)
		for at := 0; at < width; at += 8 {
			dst = append(dst, byte(codes[pos]>>at))
		}
		pos += n
		packed = pos
	}
	return appendPacked(dst, codes[packed:], width)
}

// longRun is how many equal values in a row are worth a run of their own, among packed ones.
const longRun = 64

func runLength(codes []int32) int {
	n := 1
	for n < len(codes) && codes[n] == codes[0] {
		n++
	}
	return n
}

// appendPacked writes groups of eight, the last one filled up.
func appendPacked(dst []byte, codes []int32, width int) []byte {
	if len(codes) == 0 {
		return dst
	}
	groups := (len(codes) + 7) / 8
	dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
	p := packer{dst: dst}
	for _, c := range codes {
		p.put(uint64(c), width)
	}
	for range groups*8 - len(codes) {
		p.put(0, width)
	}
	p.flush()
	return p.dst
}

// Blocks and miniblocks of DELTA_BINARY_PACKED.
const (
	deltaBlock = 128
	deltaMinis = 4
	deltaMini  = deltaBlock / deltaMinis
)

// appendDelta writes integers as differences (DELTA_BINARY_PACKED). The differences of narrow ones are of 32 bits.
func appendDelta(dst []byte, v []int64, narrow bool) []byte {
	dst = binary.AppendUvarint(dst, deltaBlock)
	dst = binary.AppendUvarint(dst, deltaMinis)
	dst = binary.AppendUvarint(dst, uint64(len(v)))
	if len(v) == 0 {
		return binary.AppendVarint(dst, 0)
	}
	dst = binary.AppendVarint(dst, v[0])
	var d [deltaBlock]int64
	for at := 1; at < len(v); at += deltaBlock {
		n := min(deltaBlock, len(v)-at)
		least := differences(d[:n], v[at-1:at+n], narrow)
		dst = appendBlock(dst, d[:n], least, narrow)
	}
	return dst
}

// differences fills d and returns the least.
func differences(d, v []int64, narrow bool) int64 {
	least := int64(1)<<62 - 1 + 1<<62
	if narrow {
		for i := range d {
			d[i] = int64(int32(v[i+1]) - int32(v[i]))
			least = min(least, d[i])
		}
		return least
	}
	for i := range d {
		d[i] = v[i+1] - v[i]
		least = min(least, d[i])
	}
	return least
}

// appendBlock writes the least difference, the width of each miniblock, and the rest of each difference. Miniblocks without
// values have width 0 and no bytes; the last one that has some is filled up.
func appendBlock(dst []byte, d []int64, least int64, narrow bool) []byte {
	dst = binary.AppendVarint(dst, least)
	var widths [deltaMinis]byte
	for m := range widths {
		from := min(m*deltaMini, len(d))
		var all uint64
		for i := from; i < min(from+deltaMini, len(d)); i++ {
			d[i] -= least
			if narrow {
				d[i] = int64(uint32(d[i]))
			}
			all |= uint64(d[i])
		}
		widths[m] = byte(bits.Len64(all))
	}
	dst = append(dst, widths[:]...)
	p := packer{dst: dst}
	for m, w := range widths {
		from := m * deltaMini
		if from >= len(d) {
			break
		}
		for _, x := range d[from:min(from+deltaMini, len(d))] {
			p.put(uint64(x), int(w))
		}
		for i := len(d); i < from+deltaMini; i++ {
			p.put(0, int(w))
		}
		p.flush() // 32 values are whole bytes at every width
	}
	return p.dst
}
