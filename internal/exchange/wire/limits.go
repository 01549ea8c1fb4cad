package wire

import "time"

// Bounds that server and client keep.
const (
	MaxJSON      = 7 << 20  // bytes of a JSON body; below statement.MaxPayload
	MaxSmall     = 64 << 10 // bytes of a JSON body that holds no message
	MaxEnvelope  = 3 << 20  // bytes of a posted envelope: it must fit into a mailbox page
	MaxMessage   = 4 << 20  // bytes of one message, reply or notice
	MaxArtifact  = 64 << 20 // bytes of one artifact
	MaxObject    = 1 << 40  // bytes of one object
	MaxWait      = 2 * time.Minute
	MaxSkew      = 2 * time.Minute
	MaxClasses   = 16
	MaxAbout     = 32   // statements that one listing asks about: they stand in its URI
	MaxRefunds   = 256  // of one order
	MaxOutgoing  = 1024 // messages sent together
	MaxPage      = 1000 // items of one page
	MaxPageBytes = 4 << 20
)
