package exhibit

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

// Kind says in which form evidence stands in a file.
type Kind string

// The kinds that are understood.
const (
	SGX         Kind = "sgx"
	TDX         Kind = "tdx"
	SNP         Kind = "snp"
	Nitro       Kind = "nitro"
	Token       Kind = "token"
	TPM         Kind = "tpm"        // a plain TPM's quote, in Trustee's form
	TPMGoogle   Kind = "tpm-google" // in that of go-tpm-tools
	TPMAzure    Kind = "tpm-azure"  // of an Azure confidential machine, in Trustee's form
	TPMSoftware Kind = "tpm-software"
	Simulated   Kind = "simulated"
)

// Kinds lists them for people.
func Kinds() []string {
	return []string{string(SGX), string(TDX), string(SNP), string(Nitro), string(Token), string(TPM), string(TPMGoogle), string(TPMAzure), string(Simulated)}
}

// MaxFile bounds every file that belongs to evidence, in bytes.
const MaxFile = 16 << 20

// ErrMissing says that what evidence must be judged by was not given. Absence refuses.
var ErrMissing = errors.New("not given")

// Exhibit is evidence with all that it is judged by.
type Exhibit struct {
	Kind         Kind
	Raw          []byte
	Collateral   []byte    // of SGX and TDX (docs/spec/evidence.md, section 7.2)
	Endorsements [][]byte  // of SNP: VCEK or VLEK, then revocation lists, all DER; of tokens: a key set
	Root         []byte    // PEM; default the vendor's that is pinned
	At           time.Time // required
	Demands

	host *hosted.Wrapped // of hosted evidence: what its operator says
}

// Demands are what evidence must have been made for, and what is let pass by name.
type Demands struct {
	Issuer     string // of tokens; default Google's
	Audience   string // of tokens: required
	Nonce      string // of tokens: required, unless AnyNonce
	Qualifying []byte // of TPMs: required, the whole nonce
	AnyNonce   bool
	AK         []byte // of plain TPMs: the pinned attestation key (PKIX, DER or PEM); required, unless AKAsGiven
	AKAsGiven  bool   // takes the key that comes with the quote: then anybody can have made it
	AllowDebug bool
}

// State of a check.
type State string

// The states.
const (
	OK         State = "ok"
	Failed     State = "FAILED"
	NotReached State = "not reached"
)

// Check is one line of an explanation.
type Check struct {
	Name  string `json:"check"`
	State State  `json:"state"`
	Says  string `json:"says"` // what was found; why it failed; what it would have asked
}

// Finding is the explanation of one verdict.
type Finding struct {
	Kind     Kind
	Checks   []Check
	Root     string   // whose word it rests on, as far as it was proved
	Marks    []string // in capitals: what nobody may overlook
	Hardware *Finding // of an Azure machine: its hardware's own evidence
	Err      error    // nil if everything was proved

	Debug  *bool          // nil if it can't be told
	Fields map[string]any // what the evidence says, by the names of collections
	TCB    map[string]any

	data []byte // report data, or what stands for it
}

// Judge judges evidence, and explains.
func Judge(e *Exhibit) *Finding {
	f := &Finding{Kind: e.Kind}
	judge, ok := judges()[e.Kind]
	switch {
	case !ok:
		f.fail(fmt.Errorf("%w: no verifier for evidence of kind %q", stage.Parse, e.Kind))
	case e.At.IsZero():
		f.fail(fmt.Errorf("%w: a time", ErrMissing))
	default:
		trail := new(stage.Trail)
		judge(e, trail, f)
		if e.host != nil {
			f.Err = errors.Join(f.Err, vouches(e.host, e, trail, f))
		}
		f.lay(e, trail)
	}
	f.mark(e)
	return f
}

// fail refuses before any check.
func (f *Finding) fail(err error) { f.Err, f.Checks = err, []Check{{"input", Failed, flat(err)}} }

type judge func(*Exhibit, *stage.Trail, *Finding)

func judges() map[Kind]judge {
	return map[Kind]judge{
		SGX: judgeDCAP, TDX: judgeDCAP, SNP: judgeSNP, Nitro: judgeNitro, Token: judgeToken,
		TPM: judgePlain, TPMGoogle: judgeGoogle, TPMAzure: judgeAzure, TPMSoftware: judgeSoftware, Simulated: judgeSimulated,
	}
}

// lay puts the checks of a kind in order: which passed, which failed and why, which were not reached.
func (f *Finding) lay(e *Exhibit, trail *stage.Trail) {
	err := f.Err
	if f.Hardware != nil {
		c := Check{Name: "hardware", State: OK, Says: "the machine's own evidence holds, as above"}
		if f.Hardware.Err != nil {
			c = Check{Name: "hardware", State: Failed, Says: "the machine's own evidence does not hold"}
			err = nil // its refusals are none of the quote's
		}
		f.Checks = append(f.Checks, c)
	}
	plan := planOf(e)
	seen := map[stage.Error]bool{}
	for _, p := range plan {
		seen[p.stage] = true
		f.Checks = append(f.Checks, p.state(trail, err))
	}
	// What no plan foresees is told all the same.
	for _, s := range slices.Sorted(maps.Keys(allStages())) {
		if !seen[s] && errors.Is(err, s) {
			f.Checks = append(f.Checks, Check{string(s), Failed, why(err, s)})
		}
	}
	if f.Err != nil && !slices.ContainsFunc(f.Checks, func(c Check) bool { return c.State == Failed }) {
		f.Checks = slices.Insert(f.Checks, 0, Check{"input", Failed, flat(f.Err)})
	}
}

func (p planned) state(trail *stage.Trail, err error) Check {
	if errors.Is(err, p.stage) {
		return Check{string(p.stage), Failed, why(err, p.stage)}
	}
	for _, x := range slices.Backward(trail.Passed()) {
		if x.Stage == p.stage {
			return Check{string(p.stage), OK, x.Found}
		}
	}
	return Check{string(p.stage), NotReached, p.asks}
}

// why is the part of a refusal that belongs to a stage. Refusals are joined by "; " or by lines.
func why(err error, s stage.Error) string {
	for part := range strings.SplitSeq(strings.ReplaceAll(err.Error(), "\n", "; "), "; ") {
		if rest, ok := strings.CutPrefix(part, string(s)+": "); ok {
			return rest
		}
		if strings.Contains(part, string(s)+": ") {
			return part
		}
	}
	return flat(err)
}

func flat(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// mark says in capitals what nobody may overlook.
func (f *Finding) mark(e *Exhibit) {
	add := func(is bool, text string) {
		if is {
			f.Marks = append(f.Marks, text)
		}
	}
	plain := e.Kind == TPM || e.Kind == TPMGoogle
	add(e.Kind == Simulated, "SIMULATED: NO HARDWARE STANDS BEHIND THIS, ONLY ITS OPERATOR'S WORD")
	add(e.Kind == TPMSoftware, "SOFTWARE-ROOTED: WHOEVER RUNS THIS TPM CAN MAKE ANY SUCH QUOTE")
	add(plain, "PLAIN TPM: NOTHING KEEPS WHOEVER RUNS THE MACHINE FROM READING ITS MEMORY")
	add(plain && e.AKAsGiven && len(e.AK) == 0, "KEY NOT PINNED: TAKEN AS IT CAME WITH THE QUOTE, ANYBODY CAN HAVE MADE IT")
	add(f.Debug != nil && *f.Debug, "DEBUG: ITS HOST CAN LOOK INTO IT")
	add(len(e.Root) > 0 && !plain && !vendorRoot(e), "TEST ROOT: THE ROOT GIVEN IS NONE OF THE VENDOR'S")
	add(e.Kind == Token && len(e.Endorsements) > 0, "KEY SET AS GIVEN: ITS ORIGIN IS NOT PROVED HERE")
	if f.Hardware != nil {
		f.Marks = append(f.Marks, f.Hardware.Marks...)
		slices.Sort(f.Marks)
		f.Marks = slices.Compact(f.Marks)
	}
}

// Malformed says that the evidence, or what came with it, can't be read: nothing was judged that could be true.
func (f *Finding) Malformed() bool { return errors.Is(f.Err, stage.Parse) }

// Genuine evidence that is refused all the same: for what the machine or the enclave is, not for being forged.
func (f *Finding) Genuine() bool {
	if f.Err == nil {
		return true
	}
	for s := range allStages() {
		if errors.Is(f.Err, s) && s != stage.Debug && s != stage.TCBStatus && s != stage.TCBNoLevel {
			return false
		}
	}
	return errors.Is(f.Err, stage.Debug) || errors.Is(f.Err, stage.TCBStatus) || errors.Is(f.Err, stage.TCBNoLevel)
}
