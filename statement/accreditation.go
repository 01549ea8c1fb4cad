package statement

// Accreditation says that a party belongs to something: an association, a registry, a group of companies. It is its author's word
// alone, and counts where an owner named that author. Signed by the accreditor.
type Accreditation struct {
	Header
	Accreditor Fingerprint `json:"accreditor"`
	Member     Fingerprint `json:"member"`
	Scheme     string      `json:"scheme"` // what of, for people
	UntilMS    int64       `json:"until_ms"`
	CreatedMS  int64       `json:"created_ms"`
}

func (*Accreditation) typeURI() string { return TypeAccreditation }

// Authors of an accreditation: who accredits.
func (a *Accreditation) Authors() []Fingerprint { return []Fingerprint{a.Accreditor} }

func (a *Accreditation) valid() error {
	var c check
	c.fingerprint(a.Accreditor, "accreditor")
	c.fingerprint(a.Member, "member")
	c.that(a.Member != a.Accreditor, "member")
	c.label(a.Scheme, "scheme")
	c.time(a.UntilMS, "until_ms")
	c.time(a.CreatedMS, "created_ms")
	c.that(a.CreatedMS < a.UntilMS, "until_ms")
	return c.err
}
