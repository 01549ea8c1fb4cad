package dcap

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
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
	ID         string                   `json:"id"`
	Version    int                      `json:"version"`
	IssueDate  time.Time                `json:"issueDate"`
	NextUpdate time.Time                `json:"nextUpdate"`
	FMSPC      hexBytes                 `json:"fmspc"`
	PCEID      hexBytes                 `json:"pceId"`
	TCBType    int                      `json:"tcbType"`
	Evaluation int                      `json:"tcbEvaluationDataNumber"`
	Module     *moduleIdentity          `json:"tdxModule"`
	Modules    bounded[*moduleIdentity] `json:"tdxModuleIdentities"`
	Levels     bounded[*platformLevel]  `json:"tcbLevels"`
}

// platformLevel is met by machines that have at least these components.
type platformLevel struct {
	TCB struct {
		SGX    *components `json:"sgxtcbcomponents"`
		TDX    *components `json:"tdxtcbcomponents"`
		PCESVN *uint16     `json:"pcesvn"`
	} `json:"tcb"`
	levelVerdict
}

type levelVerdict struct {
	Date       time.Time       `json:"tcbDate"`
	Status     Status          `json:"tcbStatus"`
	Advisories bounded[string] `json:"advisoryIDs"`
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
	ID             string             `json:"id"`
	MRSigner       hexBytes           `json:"mrsigner"`
	Attributes     hexBytes           `json:"attributes"`
	AttributesMask hexBytes           `json:"attributesMask"`
	Levels         bounded[*svnLevel] `json:"tcbLevels"`
}

// qeIdentity is what the quoting enclave must be.
type qeIdentity struct {
	ID             string             `json:"id"`
	Version        int                `json:"version"`
	IssueDate      time.Time          `json:"issueDate"`
	NextUpdate     time.Time          `json:"nextUpdate"`
	Evaluation     int                `json:"tcbEvaluationDataNumber"`
	MiscSelect     hexBytes           `json:"miscselect"`
	MiscSelectMask hexBytes           `json:"miscselectMask"`
	Attributes     hexBytes           `json:"attributes"`
	AttributesMask hexBytes           `json:"attributesMask"`
	MRSigner       hexBytes           `json:"mrsigner"`
	ISVProdID      *uint16            `json:"isvprodid"`
	Levels         bounded[*svnLevel] `json:"tcbLevels"`
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

// bounded is a list of at most maxList elements, none of them null.
type bounded[T any] []T

func (l *bounded[T]) UnmarshalJSON(src []byte) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(src, &raw); err != nil {
		return err
	}
	if len(raw) > maxList {
		return fmt.Errorf("list of %d", len(raw))
	}
	out := make([]T, len(raw))
	for i, r := range raw {
		if bytes.Equal(r, []byte("null")) {
			return errors.New("null in a list")
		}
		if err := json.Unmarshal(r, &out[i]); err != nil {
			return err
		}
	}
	*l = out
	return nil
}

// components are the sixteen numbers of a TCB.
type components [16]uint8

func (c *components) UnmarshalJSON(src []byte) error {
	var list bounded[struct {
		SVN *uint8 `json:"svn"`
	}]
	if err := json.Unmarshal(src, &list); err != nil {
		return err
	}
	if len(list) != len(c) {
		return errors.New("not sixteen components")
	}
	for i, x := range list {
		if x.SVN == nil {
			return errors.New("component without a number")
		}
		c[i] = *x.SVN
	}
	return nil
}
