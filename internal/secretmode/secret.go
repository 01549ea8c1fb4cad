//go:build goexperiment.runtimesecret && linux && (amd64 || arm64)

package secretmode

import "runtime/secret"

// Mode is how Do runs its function, as receipts say it.
const Mode = On

// Do runs f in secret mode.
func Do(f func()) { secret.Do(f) }

// Active reports whether the caller runs within Do.
func Active() bool { return secret.Enabled() }
