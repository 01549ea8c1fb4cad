package engine

// Bounds of one job. What goes over them fails as CodeRun: whether it does can depend on data.
const (
	maxCells         = 1 << 17 // cells of the set, declared domains included
	maxContributions = 1 << 21 // cells times sources
	maxUnitParts     = 1 << 30 // units times groups times sources, under differential privacy: read one after the other
	maxResultRows    = 1 << 17
	maxSchemaRows    = 1 << 16  // columns of all sources together, with their roots
	maxCheckText     = 64 << 20 // of a serialised statement or bound plan
)
