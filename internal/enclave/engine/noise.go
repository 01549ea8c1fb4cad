package engine

import "github.com/cordon-exchange/cordon/seal"

// Noise gives the noise keys of a plan's data set versions, by the digest of their offers: 32 bytes each, checked against the
// offers' commitments by the caller. It is called before Run.
func (e *Engine) Noise(keys map[string][]byte) error {
	if e.state == closed || e.state == used {
		return Error{CodeSetup}
	}
	e.forgetNoise()
	e.noise = map[string]*seal.DataKey{}
	for offer, b := range keys {
		k, err := seal.DataKeyFromBytes(b)
		if err != nil {
			e.forgetNoise()
			return Error{CodePlan}
		}
		e.noise[offer] = k
	}
	return nil
}

func (e *Engine) forgetNoise() {
	for _, k := range e.noise {
		k.Wipe()
	}
	e.noise = nil
}
