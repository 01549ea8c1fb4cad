package policy

// Charge is what one release takes from the budget of one data set version.
type Charge struct {
	Offer   string
	Release string // digest of the checked specification
	Epsilon string // an amount, as are the others
	Rho     string
	Delta   string
}

// NoiseOffers lists the offers whose noise key a plan needs, sorted: none, as no plan has noise yet.
func (p *Plan) NoiseOffers() []string { return nil }

// Charges lists what the releases take, one for each data set version and release: none, as no plan has noise yet.
func (p *Plan) Charges() []Charge { return nil }
