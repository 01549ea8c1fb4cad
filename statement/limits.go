package statement

// Bounds on what is read from others. A statement past one of them is refused
// before it is decoded; none is reachable in normal use.
const (
	MaxPayload    = 8 << 20 // bytes of one payload or message
	maxEnvelope   = MaxPayload*4/3 + 1<<20
	maxSignatures = 1024
	maxNumber     = 1<<53 - 1 // JSON readers elsewhere may hold numbers as doubles
	maxDepth      = 32        // nesting of JSON values
	maxName       = 128       // bytes of a name
	maxToken      = 64        // bytes of a word for machines
	maxText       = 2000      // bytes of a free text
	maxWho        = 64 << 10  // bytes of a list of names: every owner of a job may answer for one layer
	boxSize       = 1216      // bytes of an HPKE public key, MLKEM768-X25519
	maxTables     = 64        // of a contract
	maxShown      = 64        // accreditations of a contract: an owner fetches and verifies each
	maxPolicy     = 1 << 20
	maxLicence    = 64 << 10 // bytes of a licence's text; a longer one goes by its digest
	maxSealedBody = 1 << 20
	maxEvidence   = 1 << 20
	maxExposures  = 1 << 14
	maxFacts      = 256  // of a perimeter
	maxRows       = 64   // of responsibility and stages
	maxList       = 4096 // items of a list
)
