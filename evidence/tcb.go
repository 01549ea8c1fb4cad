package evidence

import "time"

// TCB is how current the machine behind genuine evidence is, in its vendor's own terms. What a vendor does not say is empty.
type TCB struct {
	Status     string           // Intel: the converged status, UpToDate and others
	Advisories []string         // Intel: all that hold for the machine, sorted
	Date       time.Time        // Intel: of the TCB level
	Evaluation int              // Intel: tcbEvaluationDataNumber, the smaller of the documents'
	Line       string           // AMD: line of processors, which says what components there are
	Version    string           // AMD: reported TCB, 16 hex digits
	Components map[string]uint8 // AMD: the reported TCB by component
	// CollateralUntil is when the first of the vendor's documents that this rests on ends; zero where none has an end.
	CollateralUntil time.Time
}
