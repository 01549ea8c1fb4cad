package result

// Bounds of an encoded table; docs/spec/result.md, section 6.
const (
	MaxColumns = 64
	MaxRows    = 1 << 20
	MaxNotes   = 64
	MaxText    = 1 << 20  // bytes of one value, name or note
	MaxBytes   = 64 << 20 // of an encoded table before padding
)
