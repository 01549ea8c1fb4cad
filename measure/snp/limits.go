package snp

// Bounds of what is read and asked for.
const (
	maxFirmware = 64 << 20
	maxSections = 64
	maxBlank    = 64 << 20 // of one section
	maxVCPUs    = 512
	maxCmdline  = 4095
)
