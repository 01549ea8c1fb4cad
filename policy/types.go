package policy

// Type names the type of a column, a constant or a result: boolean, int32, int64, hugeint, decimal(p,s), varchar,
// date, timestamp, double.
type Type string
