package policy

import "fmt"

// SyntaxError is a fault in a policy file, at a place in it.
type SyntaxError struct {
	Pos
	Msg  string
	Hint string
}

func (e *SyntaxError) Error() string {
	s := fmt.Sprintf("policy:%d:%d: %s", e.Line, e.Col, e.Msg)
	if e.Hint != "" {
		s += "\nhint: " + e.Hint
	}
	return s
}
