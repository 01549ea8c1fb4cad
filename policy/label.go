package policy

// label says what an expression below the release may show: the disclosure label of design section 3. The zero label
// hides: nothing may be made of it.
type label int

const (
	labelHidden   label = iota // no role: can't be named
	labelUnit                  // identifies a unit: may only be counted
	labelDim                   // a function of declared dimensions
	labelMeasure               // may only be aggregated
	labelPred                  // a truth value over dimensions
	labelConst                 // the query's own
	labelRaw                   // a dimension that may be named in a coarser form alone
	labelReleased              // above the boundary
)

// use says what a column is named for.
type use int

const (
	useDimension use = iota + 1 // a key of GROUP BY
	useFilter                   // WHERE
)

// joinLabels is the label of a function over labelled arguments: refused arguments have no place here, so what is left
// is constant if all is constant, and else a function of dimensions.
func joinLabels(boolean bool, args ...label) label {
	out := labelConst
	for _, a := range args {
		switch {
		case a != labelDim && a != labelPred && a != labelConst:
			return labelHidden
		case a != labelConst && boolean:
			out = labelPred
		case a != labelConst:
			out = labelDim
		}
	}
	return out
}
