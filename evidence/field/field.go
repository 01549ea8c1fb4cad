package field

import (
	"encoding/hex"
	"strconv"
)

// Hex is a string of bytes, written as lower-case hex digits.
type Hex []byte

func (h Hex) String() string { return hex.EncodeToString(h) }

// MarshalText writes the bytes as hex digits.
func (h Hex) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// Flags is a set of bits, written as 0x and hex digits.
type Flags uint64

func (f Flags) String() string { return "0x" + strconv.FormatUint(uint64(f), 16) }

// MarshalText writes the bits as a number.
func (f Flags) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// Has says whether bit n is set.
func (f Flags) Has(n uint) bool { return f>>n&1 == 1 }
