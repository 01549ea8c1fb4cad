package statement

// Bounds on what is read from others. A statement past one of them is refused
// before it is decoded; none is reachable in normal use.
const (
	MaxPayload    = 8 << 20 // bytes of one payload or message
	maxEnvelope   = MaxPayload*4/3 + 1<<20
	maxSignatures = 1024
	maxDepth      = 32   // nesting of JSON values
	maxName       = 128  // bytes of a name
	maxText       = 2000 // bytes of a free text
	maxList       = 4096 // items of a list
)
