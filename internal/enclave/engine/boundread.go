package engine

import "slices"

// readAllowed judges a read: read_parquet of one memory file, that of a source nobody has read yet, without filters of
// DuckDB's own making that the plan does not have, and no column beyond the source's.
func (w *boundPlan) readAllowed(n map[string]any) bool {
	if n["name"] != "read_parquet" || n["catalog_name"] != "system" || n["schema_name"] != "main" {
		return false
	}
	data, _ := n["function_data"].(map[string]any)
	files, _ := data["files"].([]any)
	if len(files) != 1 {
		return false
	}
	file, _ := files[0].(string)
	source := slices.Index(w.job.engine.paths, file)
	if source < 0 || slices.Contains(w.files, file) {
		return false
	}
	w.files = append(w.files, file)
	return onlyColumns(n, w.job.plan.Sources[source].Columns)
}

// onlyColumns: every column that is read by index has a name that the plan opens. Index 2^64-1 and above are DuckDB's row
// numbers: they are of use for counting rows only, and have no name.
func onlyColumns(n map[string]any, want []string) bool {
	names, _ := n["names"].([]any)
	indexes, ok := n["column_indexes"].([]any)
	if !ok {
		return false
	}
	for _, raw := range indexes {
		entry, _ := raw.(map[string]any)
		i, isNumber := entry["index"].(float64)
		if !isNumber {
			return false
		}
		if i >= 1<<62 { // a virtual column
			continue
		}
		if int(i) >= len(names) {
			return false
		}
		if name, _ := names[int(i)].(string); !slices.Contains(want, name) {
			return false
		}
	}
	return true
}
