package attest

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
)

// GramineFolder is where Gramine shows its attester to the program that it runs.
const GramineFolder = "/dev/attestation"

// Files of Gramine's attester (Gramine, "Attestation and Secret Provisioning").
const (
	gramineType  = "attestation_type"
	gramineData  = "user_report_data"
	gramineQuote = "quote"
	dcap         = "dcap"
)

// Gramine has SGX quotes made through the files in folder. Where Gramine runs without SGX, or was told to attest in another way, there
// is no attester.
func Gramine(folder string) (Attester, error) {
	kind, err := readFile(filepath.Join(folder, gramineType), maxText)
	if err != nil || strings.TrimSpace(string(kind)) != dcap {
		return nil, failed("not SGX with DCAP", err)
	}
	return func(_ context.Context, data evidence.ReportData) (hosted.Quoted, error) {
		f, err := os.OpenFile(filepath.Join(folder, gramineData), os.O_WRONLY, 0)
		if err != nil {
			return hosted.Quoted{}, failed("report data", err)
		}
		if _, err := f.Write(data[:]); err != nil {
			f.Close()
			return hosted.Quoted{}, failed("report data", err)
		}
		if err := f.Close(); err != nil {
			return hosted.Quoted{}, failed("report data", err)
		}
		quote, err := readFile(filepath.Join(folder, gramineQuote), hosted.MaxQuote)
		if err != nil || len(quote) == 0 {
			return hosted.Quoted{}, failed("quote", err)
		}
		return hosted.Quoted{Quote: quote}, nil
	}, nil
}

func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readUpTo(f, limit)
}
