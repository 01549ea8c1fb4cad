package policy

// Bounds on what is parsed from others. Past them the input is refused.
const (
	maxPolicyBytes = 256 << 10
	maxPolicyDepth = 8
	maxColumns     = 1024
	maxDomain      = 4096
	maxSetColumns  = 4
	maxList        = 1024
	maxNameBytes   = 128
	maxTextBytes   = 4096
	maxSources     = 256
	maxParams      = 64
	maxPlanBytes   = 4 << 20
	maxWeight      = 512 << 10
	maxPlanDepth   = 200
	maxClampAbs    = 1 << 60
)
