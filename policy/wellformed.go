package policy

func (p *Plan) wellFormed() bool { return p.Encoding == Encoding }
