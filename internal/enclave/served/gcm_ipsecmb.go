//go:build linux && amd64 && ipsecmb

package served

// #cgo LDFLAGS: -l:libIPSec_MB.a
import "C"

// hasDirect says that this program can decrypt pages without Go.
const hasDirect = true
