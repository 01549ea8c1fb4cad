package uki

// Bounds of an image, both ways.
const (
	maxImage    = 1 << 30
	maxSections = 96
	maxCmdline  = 4095
)
