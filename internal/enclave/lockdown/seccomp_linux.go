package lockdown

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"runtime"
	"sort"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The filter is assembled here rather than by a library. The one that offers conditions on arguments
// (go-seccomp-bpf v1.6.0) goes on with the argument in the accumulator after a failed condition and compares it with
// the numbers of the calls that follow: mprotect(…, 7) passes if call 7, poll, is allowed.

// Offsets in struct seccomp_data.
const (
	offNr   = 0
	offArch = 4
	offArgs = 16
)

// filterLabel starts the hash of a filter.
const filterLabel = "cordon/seccomp-filter/1"

// Seccomp installs the filter on every thread of the process, for good. It returns the filter's hash and the names
// of the calls it allows, sorted; both stand in the receipt.
//
// Call it once, after the channel's net.Conn exists. Threads that are made later have the filter too.
func Seccomp() (filterHash string, names []string, err error) { return SeccompFor("") }

// SeccompFor is Seccomp for a claim whose machine needs a call that no other perimeter does: its filter, and so its hash, is another.
func SeccompFor(claim string) (filterHash string, names []string, err error) {
	hash, err := filterHashOf(claim)
	if err != nil {
		return "", nil, err
	}
	prog, err := assemble(attesterAllowed(claim)...)
	if err != nil {
		return "", nil, err
	}
	// Otherwise the runtime would go on asking how many processors there are, which the filter refuses.
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	if err := install(prog); err != nil {
		return "", nil, err
	}
	names = allowedNames()
	for _, r := range attesterAllowed(claim) {
		names = append(names, r.name)
	}
	sort.Strings(names)
	return hash, names, nil
}

// FilterHash is the hash of the filter that Seccomp installs. It is the same in every process.
func FilterHash() (string, error) { return filterHashOf("") }

func filterHashOf(claim string) (string, error) {
	prog, err := assemble(attesterAllowed(claim)...)
	if err != nil {
		return "", err
	}
	text := encode(prog)
	h := sha256.New()
	for _, part := range [][]byte{[]byte(filterLabel), text} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// encode writes each instruction as struct sock_filter in little-endian order.
func encode(prog []bpf.RawInstruction) []byte {
	var b bytes.Buffer
	for _, i := range prog {
		b.Write(binary.LittleEndian.AppendUint16(nil, i.Op))
		b.Write([]byte{i.Jt, i.Jf})
		b.Write(binary.LittleEndian.AppendUint32(nil, i.K))
	}
	return b.Bytes()
}

func install(prog []bpf.RawInstruction) error {
	filter := make([]unix.SockFilter, len(prog))
	for i, p := range prog {
		filter[i] = unix.SockFilter{Code: p.Op, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	fprog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// TSYNC: all threads or none; a result above 0 is a thread that could not follow.
	tid, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&fprog)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		return fmt.Errorf("lockdown: install filter: %w", errno)
	}
	if tid != 0 {
		return failed("a thread could not take the filter")
	}
	return nil
}

// assemble writes the filter: the architecture, then one block for each allowed call, then the pretended and the deadly ones,
// then the default. A block that matches always returns itself, so the accumulator holds the call's number at the start of
// every block.
func assemble(more ...rule) ([]bpf.RawInstruction, error) {
	prog := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: auditArch, SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_KILL_PROCESS},
		bpf.LoadAbsolute{Off: offNr, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: x32Bit, SkipFalse: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_KILL_PROCESS},
	}
	for _, r := range append(allowed(), more...) {
		prog = append(prog, block(r.nr, r.body())...)
	}
	for _, r := range pretended() {
		prog = append(prog, block(r.nr, ret(retNothing))...)
	}
	for _, c := range deadly() {
		prog = append(prog, block(c.nr, ret(unix.SECCOMP_RET_KILL_PROCESS))...)
	}
	prog = append(prog, block(unix.SYS_CLONE3, ret(unix.SECCOMP_RET_ERRNO|uint32(unix.ENOSYS)))...)
	prog = append(prog, ret(retRefuse)...)
	raw, err := bpf.Assemble(prog)
	if err != nil {
		return nil, fmt.Errorf("lockdown: assemble filter: %w", err)
	}
	return raw, nil
}

const (
	retRefuse  = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	retNothing = unix.SECCOMP_RET_ERRNO // error number 0: the answer is 0
)

// block runs body, which must end in a return, if the call has number nr.
func block(nr uint32, body []bpf.Instruction) []bpf.Instruction {
	head := bpf.JumpIf{Cond: bpf.JumpEqual, Val: nr, SkipFalse: uint8(len(body))}
	return append([]bpf.Instruction{head}, body...)
}

func ret(value uint32) []bpf.Instruction {
	return []bpf.Instruction{bpf.RetConstant{Val: value}}
}

// body decides about one call. Conditions are tried in turn; the first that holds allows.
func (r rule) body() []bpf.Instruction {
	allow := ret(unix.SECCOMP_RET_ALLOW)
	if len(r.anyOf) == 0 {
		return allow
	}
	var body []bpf.Instruction
	for _, c := range r.anyOf {
		body = append(body,
			bpf.LoadAbsolute{Off: c.offset(), Size: 4},
			bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: c.mask},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: c.want, SkipFalse: 1},
		)
		body = append(body, allow...)
	}
	if r.otherwise == kill {
		return append(body, ret(unix.SECCOMP_RET_KILL_PROCESS)...)
	}
	return append(body, ret(retRefuse)...)
}

// offset of the low half of an argument. Both architectures are little-endian.
func (c condition) offset() uint32 { return offArgs + 8*c.arg }
