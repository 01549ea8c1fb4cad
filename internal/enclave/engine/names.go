package engine

// operators that a bound scan may have.
func operators() []string {
	return []string{"LOGICAL_PROJECTION", "LOGICAL_AGGREGATE_AND_GROUP_BY", "LOGICAL_UNION", "LOGICAL_FILTER"}
}

// functions and aggregates that a bound scan may call.
func functions() []string {
	return []string{"sum", "count", "count_star", "min", "max", "abs"}
}
