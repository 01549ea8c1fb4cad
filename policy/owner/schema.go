package owner

import _ "embed"

//go:embed schema.json
var schema []byte

// Schema is a JSON Schema (draft 2020-12) of policy files, for editors. It refuses nothing that policy.Parse accepts; what it
// can't see, as whether a lattice is made of dimensions, only policy.Parse does.
func Schema() []byte { return append([]byte(nil), schema...) }
