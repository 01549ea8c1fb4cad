package cpio

// Bounds of an archive, both ways.
const (
	maxFiles = 4096
	maxName  = 255
	maxData  = 1 << 30
)
