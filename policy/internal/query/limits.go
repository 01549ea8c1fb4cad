package query

// Bounds of one query. Past them it is refused.
const (
	maxBytes  = 64 << 10
	maxTokens = 8192
	maxDepth  = 48
	maxItems  = 64
	maxIdent  = 128

	// Of the whole query, subqueries included.
	maxCTEs  = 64
	maxJoins = 32
	maxArms  = 256
)
