package stage

import "fmt"

// Passed is a check that evidence passed, and what was found.
type Passed struct {
	Stage Error
	Found string
}

// Trail notes the checks that evidence passed, in their order, for who explains a verdict. It decides nothing; a nil one notes
// nothing. It is for one verification: not for concurrent use.
type Trail struct{ passed []Passed }

// Pass notes a check, as passed.
func (t *Trail) Pass(s Error, format string, args ...any) {
	if t != nil {
		t.passed = append(t.passed, Passed{s, fmt.Sprintf(format, args...)})
	}
}

// Passed returns what was noted.
func (t *Trail) Passed() []Passed {
	if t == nil {
		return nil
	}
	return t.passed
}
