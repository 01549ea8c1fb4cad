package exchange

import (
	"net/url"
	"slices"
)

// parseQuery reads a query with only the allowed names, each at most once.
func parseQuery(raw string, allowed []string) (params, error) {
	v, err := url.ParseQuery(raw)
	if err != nil {
		return nil, malformed("query is malformed")
	}
	out := params{}
	for name, values := range v {
		if !slices.Contains(allowed, name) {
			return nil, malformed("query has an unknown parameter")
		}
		if len(values) != 1 || values[0] == "" {
			return nil, malformed("parameter " + name + " must stand once and not be empty")
		}
		out[name] = values[0]
	}
	return out, nil
}
