package measured

import (
	"crypto/sha256"

	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/statement"
)

// Register that the enclave extends with its own program. Firmware and boot loaders leave it alone.
const Register = 11

// Value is what the register holds once a program of that digest (SHA-256 of its bytes) has extended it, and nothing else has.
func Value(program [sha256.Size]byte) [sha256.Size]byte {
	return sha256.Sum256(append(make([]byte, sha256.Size), program[:]...))
}

// Registers are what a quote of the enclave shows when the register has that value.
func Registers(value [sha256.Size]byte) []hosted.Register {
	return []hosted.Register{{Index: Register, Value: value[:]}}
}

// Build is what contracts and policies list for a program of that digest.
func Build(program [sha256.Size]byte) statement.Digest {
	return hosted.TPMBuild(Registers(Value(program)))
}
