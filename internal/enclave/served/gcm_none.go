//go:build !(linux && amd64 && ipsecmb)

package served

// hasDirect says that this program can decrypt pages without Go.
const hasDirect = false
