//go:build !goexperiment.runtimesecret || !linux || !(amd64 || arm64)

package secretmode

// Mode is how Do runs its function, as receipts say it.
const Mode = Off

// Do runs f.
func Do(f func()) { f() }

// Active reports whether the caller runs within Do: never, here.
func Active() bool { return false }
