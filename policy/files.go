package policy

import "slices"

// OverFiles is the plan over files of which some columns, by source, can't hold NULL: its statements leave out what asks for
// one. Encoding and digest are those of the plan. Whoever runs the statements must have seen in each file's own schema that
// these columns are required.
func (p *Plan) OverFiles(required [][]string) *Plan {
	out := *p
	out.required = required
	if p.Program != nil {
		program := *p.Program
		program.required = required
		out.Program = &program
	}
	return &out
}

// required are columns that can't hold NULL, by source. None by default.
type required [][]string

func (r required) has(source int, column string) bool {
	return source < len(r) && slices.Contains(r[source], column)
}
