package policy

// Bounds on what is parsed from others. Past them the input is refused.
const (
	maxPolicyBytes = 256 << 10
	maxPolicyDepth = 8
	maxColumns     = 1024
	maxDomain      = 4096
	maxSetColumns  = 4
	maxList        = 1024
	maxBins        = 64
	maxTemplates   = 256
	maxLeft        = 999
	maxNameBytes   = 128
	maxTextBytes   = 4096
	maxSources     = 256
	maxParams      = 64
	maxPlanBytes   = 4 << 20
	maxWeight      = 512 << 10
	maxPlanDepth   = 200

	maxRelations    = 512 // subqueries, arms and common table expressions of a query
	maxGroupingSets = 32
	maxAggScale     = 30 // decimal places of a product
	maxClampAbs     = 1 << 60
)

// Bounds on programs.
const (
	maxTables   = 64
	maxReleases = 256
	maxSteps    = 32
)
