package policy

import "strconv"

// Validate checks the policy against the schema of the data set it is published with. Errors are a *SyntaxError.
func (p *Policy) Validate(schema []Column) error {
	types, err := schemaIndex(schema)
	if err != nil {
		return err
	}
	for _, k := range p.order {
		rule := p.columns[k]
		col, ok := types[k]
		if !ok || col.Name != rule.name {
			return &SyntaxError{Pos: rule.at, Msg: "the data set has no column " + strconv.Quote(rule.name), Hint: "names are as in the schema, upper and lower case included"}
		}
		if err := rule.fits(col); err != nil {
			return err
		}
	}
	return p.unitFits(types)
}

func schemaIndex(schema []Column) (map[string]Column, error) {
	types := map[string]Column{}
	for _, c := range schema {
		bad := ""
		if _, dup := types[fold(c.Name)]; dup {
			bad = "two columns differ only in upper and lower case: "
		} else if !isColumnName(c.Name) {
			bad = "not a usable column name: "
		} else if c.Type.class() == classNone || c.Type.class() == classNull {
			bad = "unknown type of column "
		}
		if bad != "" {
			return nil, &SyntaxError{Pos: Pos{1, 1}, Msg: "the data set's schema: " + bad + strconv.Quote(c.Name), Hint: "rename or leave out the column when publishing"}
		}
		types[fold(c.Name)] = c
	}
	return types, nil
}

func (p *Policy) unitFits(types map[string]Column) error {
	c, ok := types[fold(p.unit.column)]
	if !ok || c.Type.class() == classDouble {
		return &SyntaxError{Pos: p.unit.at, Msg: "the unit column must be a column that can be compared exactly", Hint: "publish the identifier as text or whole number"}
	}
	return nil
}

func (c columnRule) fits(col Column) error {
	if (c.dimension || c.filter) && !col.Type.groupable() {
		return &SyntaxError{Pos: c.at, Msg: "a column of type " + string(col.Type) + " can't be a dimension or a filter", Hint: "publish a column of bands, as text or whole numbers"}
	}
	if c.measure && !col.Type.aggregable(c.scale) {
		return &SyntaxError{Pos: c.at, Msg: "a column of type " + string(col.Type) + " can't be a measure of scale " + strconv.Itoa(c.scale), Hint: "publish it as a whole number or as decimal(p,s) with p at most 18 and s at most the scale"}
	}
	if err := c.formFits(col.Type); err != nil {
		return err
	}
	if err := c.binsFit(col.Type); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, v := range c.values {
		text, ok := col.Type.canonical(v.text)
		if ok && seen[text] {
			return &SyntaxError{Pos: v.at, Msg: "value is there twice", Hint: "keep one of them"}
		}
		if !ok || !tagFits(v.tag, col.Type.class()) {
			return &SyntaxError{Pos: v.at, Msg: "not a value of type " + string(col.Type), Hint: "text that looks like a number, a date or a truth value goes in quotes"}
		}
		seen[text] = true
	}
	return nil
}

// formFits checks that the form in which alone a dimension may be named is one of its type: else it could never be named.
func (c columnRule) formFits(t Type) error {
	class := t.class()
	switch {
	case c.grain != "" && class != classDate:
		return &SyntaxError{Pos: c.at, Msg: "a column of type " + string(t) + " has no grain", Hint: "grains are for dates"}
	case c.onlyAs.kind == "left" && class != classText:
		return &SyntaxError{Pos: c.at, Msg: "a column of type " + string(t) + " has no first characters", Hint: "only_as: left(...) is for varchar; floor(...) for whole numbers"}
	case c.onlyAs.kind == "floor" && class != classInt:
		return &SyntaxError{Pos: c.at, Msg: "a column of type " + string(t) + " has no bands", Hint: "only_as: floor(...) is for int32 and int64; left(...) for varchar"}
	}
	return nil
}

// binsFit checks that the column can be compared with each bin exactly.
func (c columnRule) binsFit(t Type) error {
	for _, b := range c.bins {
		if _, ok := t.canonical(trimZeros(b.text)); !ok {
			return &SyntaxError{Pos: b.at, Msg: "not a value of type " + string(t), Hint: "bins are written as the column's own values are"}
		}
	}
	return nil
}

// tagFits keeps YAML's reading of a value and the column's type together: a text column's "1990" is quoted.
func tagFits(tag string, c class) bool {
	switch c {
	case classText:
		return tag == "!!str"
	case classBool:
		return tag == "!!bool"
	case classInt:
		return tag == "!!int"
	case classDecimal:
		return tag == "!!int" || tag == "!!float"
	case classDate:
		return tag == "!!timestamp"
	}
	return false
}
