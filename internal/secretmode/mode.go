package secretmode

// Values of Mode.
const (
	On  = "runtimesecret"
	Off = "none"
)
