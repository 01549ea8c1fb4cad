package dcap

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// Status is Intel's word on a TCB level.
type Status string

// The statuses, of which a converged one is the last word (Intel, "Get TCB Info" v4).
const (
	UpToDate                          Status = "UpToDate"
	SWHardeningNeeded                 Status = "SWHardeningNeeded"
	ConfigurationNeeded               Status = "ConfigurationNeeded"
	ConfigurationAndSWHardeningNeeded Status = "ConfigurationAndSWHardeningNeeded"
	OutOfDate                         Status = "OutOfDate"
	OutOfDateConfigurationNeeded      Status = "OutOfDateConfigurationNeeded"
	Revoked                           Status = "Revoked"
)

// tcbInfo is a document that Intel signs for one FMSPC. Members that are not used may be added by Intel at any time.
type tcbInfo struct {
	ID         string            `json:"id"`
	Version    int               `json:"version"`
	IssueDate  time.Time         `json:"issueDate"`
	NextUpdate time.Time         `json:"nextUpdate"`
	FMSPC      hexBytes          `json:"fmspc"`
	PCEID      hexBytes          `json:"pceId"`
	TCBType    int               `json:"tcbType"`
	Evaluation int               `json:"tcbEvaluationDataNumber"`
	Module     *moduleIdentity   `json:"tdxModule"`
	Modules    []*moduleIdentity `json:"tdxModuleIdentities"`
	Levels     []*platformLevel  `json:"tcbLevels"`
}

type component struct {
	SVN *uint8 `json:"svn"`
}

// components returns the sixteen numbers of a TCB.
func components(list []component) (out [16]byte, err error) {
	if len(list) != len(out) {
		return out, malformed("collateral: not sixteen components")
	}
	for i, x := range list {
		if x.SVN == nil {
			return out, malformed("collateral: component without a number")
		}
		out[i] = *x.SVN
	}
	return out, nil
}

// platformLevel is met by machines that have at least these components.
type platformLevel struct {
	TCB struct {
		SGX    []component `json:"sgxtcbcomponents"`
		TDX    []component `json:"tdxtcbcomponents"`
		PCESVN *uint16     `json:"pcesvn"`
	} `json:"tcb"`
	levelVerdict
}

type levelVerdict struct {
	Date       time.Time `json:"tcbDate"`
	Status     Status    `json:"tcbStatus"`
	Advisories []string  `json:"advisoryIDs"`
}

// svnLevel is met by a quoting enclave or TDX module of at least this version.
type svnLevel struct {
	TCB struct {
		ISVSVN *uint16 `json:"isvsvn"`
	} `json:"tcb"`
	levelVerdict
}

// moduleIdentity is what a TDX module must be.
type moduleIdentity struct {
	ID             string      `json:"id"`
	MRSigner       hexBytes    `json:"mrsigner"`
	Attributes     hexBytes    `json:"attributes"`
	AttributesMask hexBytes    `json:"attributesMask"`
	Levels         []*svnLevel `json:"tcbLevels"`
}

// qeIdentity is what the quoting enclave must be.
type qeIdentity struct {
	ID             string      `json:"id"`
	Version        int         `json:"version"`
	IssueDate      time.Time   `json:"issueDate"`
	NextUpdate     time.Time   `json:"nextUpdate"`
	Evaluation     int         `json:"tcbEvaluationDataNumber"`
	MiscSelect     hexBytes    `json:"miscselect"`
	MiscSelectMask hexBytes    `json:"miscselectMask"`
	Attributes     hexBytes    `json:"attributes"`
	AttributesMask hexBytes    `json:"attributesMask"`
	MRSigner       hexBytes    `json:"mrsigner"`
	ISVProdID      *uint16     `json:"isvprodid"`
	Levels         []*svnLevel `json:"tcbLevels"`
}

// decodeDocument reads a signed document. The number of its values is bounded before any is built.
func decodeDocument(text string, into any) error {
	if len(text) > maxDocument || strings.Count(text, "{")+strings.Count(text, "[")+strings.Count(text, ",") > maxJSON {
		return errors.New("document too large")
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return errors.New("not a document of this kind")
	}
	return nil
}

// hexBytes is a string of hex digits, in either case.
type hexBytes []byte

func (h *hexBytes) UnmarshalJSON(src []byte) error {
	var s string
	if err := json.Unmarshal(src, &s); err != nil {
		return err
	}
	b, err := hex.DecodeString(s)
	*h = b
	return err
}
