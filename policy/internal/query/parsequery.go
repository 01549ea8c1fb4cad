package query

// ParseQuery reads one query of the whole grammar.
func ParseQuery(src string) (*Query, *Error) {
	return nil, &Error{Pos: Pos{1, 1}, Code: "syntax", Msg: "the whole grammar is not read yet"}
}
