package served

// #include "gcm.h"
import "C"

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"sync"
	"unsafe"
)

// Memory lends rooms of ScheduleSize bytes, zeroed, at addresses that are multiples of 64. Give wipes them.
type Memory interface {
	Take(n int) ([]byte, error)
	Give(b []byte)
}

// ScheduleSize is how many bytes an expanded key takes.
const ScheduleSize = C.SCHEDULE

// Direct reports whether pages are decrypted without Go here: this program has the code, and this processor what that needs.
func Direct() bool { return level() != levelNone }

// Levels of the code, and of the processor that it runs on.
const (
	levelNone = C.GCM_NONE
	levelMost = C.GCM_AVX512
)

func level() int { return int(C.cordon_gcm_level()) }

// limit takes no code of a higher level, for tests.
func limit(level int) { C.cordon_gcm_limit(C.int(level)) }

// Schedules are keys that were expanded for pages that are decrypted without Go, in memory for keys. Their methods may be called concurrently.
// Of nil none can be had: Go decrypts.
type Schedules struct {
	mem Memory

	mu   sync.Mutex
	lent [][]byte
}

// NewSchedules is nil where pages are decrypted by Go alone: see Direct, or for want of memory for keys.
func NewSchedules(mem Memory) *Schedules {
	if mem == nil || !Direct() {
		return nil
	}
	return &Schedules{mem: mem}
}

// Expand is what pme.OpenOptions asks for. It returns nil for keys that are not of 256 bits, and where there is no room: Go decrypts then.
func (s *Schedules) Expand(key []byte) []byte {
	if s == nil || len(key) != 32 {
		return nil
	}
	b, err := s.mem.Take(ScheduleSize)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	s.lent = append(s.lent, b)
	s.mu.Unlock()
	expand(b, key)
	return b
}

// Wipe gives all of them back, erased. No file that uses them may be served any more.
func (s *Schedules) Wipe() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.lent {
		s.mem.Give(b)
	}
	s.lent = nil
}

func expand(schedule, key []byte) { C.cordon_gcm_expand(pointer(schedule), pointer(key)) }

// openBox decrypts a box into out, and reports whether it authenticated; else out is zeros.
func openBox(schedule, out, box, aad []byte) bool {
	return C.cordon_gcm_open(pointer(schedule), pointer(out), pointer(box), C.int64_t(len(box)-C.OVERHEAD), pointer(aad), C.int64_t(len(aad))) != 0
}

func pointer(b []byte) *C.uint8_t { return (*C.uint8_t)(unsafe.SliceData(b)) }

// ErrCheck says that code without Go decrypts otherwise than Go does.
var ErrCheck = errors.New("served file: decryption is not what it should be")

// checkSizes are of less than a block, of blocks, and of more than the code takes in one turn.
func checkSizes() []int { return []int{1, 16, 17, 255, 256, 768, 4096 + 5} }

// Check compares what pages are decrypted by with Go's own AES-GCM, and sees it refuse what was changed: whoever serves files calls it once.
// nil where Go decrypts.
func Check() error {
	if !Direct() {
		return nil
	}
	room := make([]byte, ScheduleSize+63)
	schedule := room[-uintptr(unsafe.Pointer(&room[0]))&63:][:ScheduleSize]
	return check(func(key []byte) { expand(schedule, key) }, func(out, box, aad []byte) bool { return openBox(schedule, out, box, aad) })
}

// check is Check of a key's expansion, and of opening boxes under it.
func check(expand func(key []byte), open func(out, box, aad []byte) bool) error {
	key, plain := make([]byte, 32), make([]byte, 8<<10)
	for i := range key {
		key[i] = byte(i) // nobody's
	}
	for i := range plain {
		plain[i] = byte(i * i >> 4)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return err
	}
	expand(key)
	out := make([]byte, len(plain))
	for _, n := range checkSizes() {
		want, aad := plain[:n], plain[n:n+31]
		box := gcm.Seal(nil, nil, want, aad)
		if !open(out[:n], box, aad) || string(out[:n]) != string(want) {
			return ErrCheck
		}
		for _, at := range []int{0, 12, len(box) - 17, len(box) - 16, len(box) - 1} { // nonce, first and last byte, tag
			box[at] ^= 0x80
			if open(out[:n], box, aad) || string(out[:n]) != string(make([]byte, n)) {
				return ErrCheck
			}
			box[at] ^= 0x80
		}
		if open(out[:n], box, aad[1:]) {
			return ErrCheck
		}
	}
	return nil
}
