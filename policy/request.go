package policy

import "time"

// Column is a column of an offer's schema.
type Column struct {
	Name     string
	Type     Type
	Nullable bool
}

// Source is one offer that a table of the request stands for. The caller has verified the offer and where it comes from.
type Source struct {
	Owner     string // fingerprint
	OwnerName string // party name, for messages and for naming data in SQL
	Dataset   string
	Version   string
	Offer     string // digest
	Schema    []Column
	Policy    *Policy
}

// Table is a name that the query may read from: "party.dataset" or "pool.name".
type Table struct {
	Name    string
	Pool    string // digest of the pool statement, empty for one data set
	Epoch   int64  // of the pool
	Members []Source
}

// Param is the typed value of $1, $2 ...
type Param struct {
	Type  Type
	Value string // canonical text of a constant of that type
}

// Speaks reports whether plans of an encoding are made and read here.
func Speaks(encoding string) bool { return encoding == Encoding || encoding == EncodingProgram }

// EncodingFor is the encoding that a contract over these tables needs: the older one is enough where all policies are lattices
// whose answers may leave at any time.
func EncodingFor(tables []Table) string {
	for _, t := range tables {
		for _, m := range t.Members {
			if m.Policy.output != outputLattice || m.Policy.timing != 0 {
				return EncodingProgram
			}
		}
	}
	return Encoding
}

// Request is what Compile judges. Everything in it but SQL and Params has been verified by the caller.
type Request struct {
	SQL        string
	Params     []Param
	Tables     []Table   // required: the contract's tables, and no other
	Requester  string    // required: fingerprint
	Recipients []string  // required: fingerprints of all who receive the result
	Purpose    string    // required
	At         time.Time // required: when the keys would be released
	Operator   string    // fingerprint of the host's operator; empty where none is known yet, as in explain

	Encoding string // of the plan: Encoding or EncodingProgram; empty is Encoding

	noNearest bool // set while a nearest query is tried
}
