package statement

// Party introduces a party: its name, and the keys that it answers to. Signed by itself.
type Party struct {
	Header
	Name      string `json:"name"`
	Key       string `json:"key"` // PublicKey text, of the signing key
	Box       []byte `json:"box"` // HPKE public key, MLKEM768-X25519 (seal.BoxPublic)
	CreatedMS int64  `json:"created_ms"`
}

func (*Party) typeURI() string { return TypeParty }

// Authors of a party statement: the key that it introduces.
func (p *Party) Authors() []Fingerprint {
	k, err := ParsePublicKey(p.Key)
	if err != nil {
		return nil
	}
	return []Fingerprint{k.Fingerprint()}
}

func (p *Party) valid() error {
	var c check
	c.name(p.Name, "name")
	_, err := ParsePublicKey(p.Key)
	c.that(err == nil, "key")
	c.that(len(p.Box) == boxSize, "box")
	c.time(p.CreatedMS, "created_ms")
	return c.err
}

// Offer puts one version of a data set, sealed, into the lake. Signed by its owner.
type Offer struct {
	Header
	Owner       Fingerprint  `json:"owner"`
	Dataset     string       `json:"dataset"`
	Version     string       `json:"version"` // unique among the data set's versions; part of every AAD
	Schema      []Column     `json:"schema"`
	Files       []File       `json:"files"`
	Commitments []Commitment `json:"commitments"` // one per column of the schema, one for FooterKey, and one for NoiseKey if there is noise
	Policy      string       `json:"policy"`      // text of the policy file, as written
	Price       int64        `json:"price"`       // credits per query
	CreatedMS   int64        `json:"created_ms"`
	Replaces    Digest       `json:"replaces,omitempty"` // offer of the version before
	Terms       *Terms       `json:"terms,omitempty"`    // offers of older versions have none
}

// Column of an offered schema. Type is policy.Type's text.
type Column struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Nullable bool   `json:"nullable"`
}

// File is one sealed Parquet file of a version.
type File struct {
	Object    string `json:"object"` // path in the lake
	Bytes     int64  `json:"bytes"`
	Rows      int64  `json:"rows"`
	AADPrefix string `json:"aad_prefix"`
}

// Commitment binds the owner to one key: seal.Commit.
type Commitment struct {
	Key    string `json:"key"` // a column's name, FooterKey or NoiseKey
	Commit Digest `json:"commit"`
}

// FooterKey is the name of a version's footer key where column names stand. No column can have it.
const FooterKey = "-footer"

// NoiseKey is the name of a version's noise key where column names stand: it opens nothing, noise is drawn from it
// (docs/spec/dp.md, section 4). Versions whose policy says output: dp have one, others none; who reads both compares.
const NoiseKey = "-noise"

func (*Offer) typeURI() string { return TypeOffer }

// Authors of an offer: its owner.
func (o *Offer) Authors() []Fingerprint { return []Fingerprint{o.Owner} }

func (o *Offer) valid() error {
	var c check
	c.fingerprint(o.Owner, "owner")
	c.name(o.Dataset, "dataset")
	c.that(validVersion(o.Version), "version")
	c.that(len(o.Schema) > 0 && len(o.Schema) <= maxList, "schema")
	want := map[string]bool{FooterKey: true}
	for _, col := range o.Schema {
		c.that(ValidColumn(col.Name) && !want[col.Name], "schema name")
		c.label(col.Type, "schema type")
		want[col.Name] = true
	}
	if _, noise := o.Commitment(NoiseKey); noise {
		want[NoiseKey] = true
	}
	c.that(len(o.Commitments) == len(want), "commitments")
	for _, k := range o.Commitments {
		c.that(want[k.Key], "commitment key")
		delete(want, k.Key)
		c.digest(k.Commit, "commitment")
	}
	c.files(o.Files)
	c.that(o.Policy != "" && len(o.Policy) <= maxPolicy, "policy")
	c.count(o.Price, "price")
	c.time(o.CreatedMS, "created_ms")
	c.that(o.Replaces == "" || o.Replaces.Valid(), "replaces")
	o.validTerms(&c)
	return c.err
}

// files must differ in object and prefix: under one prefix, a lake could serve
// one file twice and another never.
func (c *check) files(list []File) {
	c.that(len(list) > 0 && len(list) <= maxList, "files")
	objects, prefixes := map[string]bool{}, map[string]bool{}
	for _, f := range list {
		c.that(ValidObject(f.Object) && !objects[f.Object], "file object")
		objects[f.Object] = true
		c.count(f.Bytes, "file bytes")
		c.that(f.Bytes > 0, "file bytes")
		c.count(f.Rows, "file rows")
		c.that(f.AADPrefix != "" && len(f.AADPrefix) <= maxText && printable(f.AADPrefix), "file aad_prefix")
		c.that(!prefixes[f.AADPrefix], "file aad_prefix")
		prefixes[f.AADPrefix] = true
	}
}

// Commitment returns the commitment to the key of a column, of the footer or of the noise.
func (o *Offer) Commitment(key string) (Digest, bool) {
	for _, k := range o.Commitments {
		if k.Key == key {
			return k.Commit, true
		}
	}
	return "", false
}

// WithoutNull lists the columns that the owner says have no NULL.
func (o *Offer) WithoutNull() (names []string) {
	for _, c := range o.Schema {
		if !c.Nullable {
			names = append(names, c.Name)
		}
	}
	return names
}

func validVersion(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_' {
			return false
		}
	}
	return s[0] != '.' && s[0] != '-'
}

// ValidVersion reports whether s can name a version of a data set.
func ValidVersion(s string) bool { return validVersion(s) }

// ValidObject reports whether s can name an object of the lake: segments of
// plain characters, none of them "." or "..".
func ValidObject(s string) bool {
	if s == "" || len(s) > 512 {
		return false
	}
	start := 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '/' {
			ch := s[i]
			if (ch < 'a' || ch > 'z') && (ch < '0' || ch > '9') && ch != '-' && ch != '.' && ch != '_' {
				return false
			}
			continue
		}
		if seg := s[start:i]; seg == "" || seg[0] == '.' {
			return false
		}
		start = i + 1
	}
	return true
}

// Pool is one epoch of a union of offers of one schema. Signed by all members.
type Pool struct {
	Header
	Name      string   `json:"name"`
	Epoch     int64    `json:"epoch"` // from 1
	Members   []Member `json:"members"`
	Previous  Digest   `json:"previous,omitempty"` // pool statement of the epoch before
	CreatedMS int64    `json:"created_ms"`
}

// Member of a pool: an owner and the offer it brings.
type Member struct {
	Owner Fingerprint `json:"owner"`
	Offer Digest      `json:"offer"`
}

func (*Pool) typeURI() string { return TypePool }

// Authors of a pool: all its members.
func (p *Pool) Authors() []Fingerprint {
	var out []Fingerprint
	for _, m := range p.Members {
		out = append(out, m.Owner)
	}
	return out
}

func (p *Pool) valid() error {
	var c check
	c.name(p.Name, "name")
	c.that(p.Epoch >= 1 && p.Epoch < 1<<31, "epoch")
	c.that((p.Epoch == 1) == (p.Previous == ""), "previous")
	c.that(p.Previous == "" || p.Previous.Valid(), "previous")
	c.members(p.Members)
	c.that(len(p.Members) >= 2, "members")
	c.time(p.CreatedMS, "created_ms")
	return c.err
}

func (c *check) members(list []Member) {
	c.that(len(list) > 0 && len(list) <= maxSignatures, "members")
	owners, offers := map[Fingerprint]bool{}, map[Digest]bool{}
	for _, m := range list {
		c.that(m.Owner.Valid() && !owners[m.Owner], "member owner")
		owners[m.Owner] = true
		c.that(m.Offer.Valid() && !offers[m.Offer], "member offer")
		offers[m.Offer] = true
	}
}

// Revocation ends a statement of the same author, at once. Signed by that author.
type Revocation struct {
	Header
	Author  Fingerprint `json:"author"`
	Revokes Digest      `json:"revokes"`
	Reason  string      `json:"reason,omitempty"`
	AtMS    int64       `json:"at_ms"`
	Key     string      `json:"key,omitempty"` // PublicKey text: an online key ends, and Revokes is its OnlineKey.Digest. Only the root says so.
}

func (*Revocation) typeURI() string { return TypeRevocation }

// Authors of a revocation: who revokes.
func (r *Revocation) Authors() []Fingerprint { return []Fingerprint{r.Author} }

func (r *Revocation) valid() error {
	var c check
	c.fingerprint(r.Author, "author")
	c.digest(r.Revokes, "revokes")
	c.text(r.Reason, "reason")
	c.time(r.AtMS, "at_ms")
	if r.Key != "" {
		k, err := ParsePublicKey(r.Key)
		c.that(err == nil && k.Fingerprint() != r.Author, "key")
		c.that(r.Revokes == OnlineKey{Party: r.Author, Key: k}.Digest(), "revokes")
	}
	return c.err
}
