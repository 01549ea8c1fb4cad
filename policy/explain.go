package policy

// Explanation says what a plan opens and what its cells face.
type Explanation struct {
	Table   string    `json:"table"`
	Mode    Mode      `json:"mode"`
	Purpose string    `json:"purpose"`
	Opens   []Opening `json:"opens"`
	Set     []string  `json:"lattice_set"`
	Rules   []string  `json:"rules"`
	Notes   []string  `json:"notes"`
}

// Opening is what one owner's data set would open.
type Opening struct {
	Owner   string   `json:"owner"`
	Dataset string   `json:"dataset"`
	Columns []string `json:"columns"`
}

// Explain says what the plan opens, which rules each cell faces, and how it is rounded.
func (p *Plan) Explain() Explanation { return Explanation{} }
