package eif

// Bounds of an image, both ways.
const (
	maxImage    = 2 << 30
	maxCmdline  = 4095
	maxMetadata = 1 << 20
	maxSections = 32
)
