package evidence

import (
	"slices"

	"github.com/cordon-exchange/cordon/statement"
)

// Kinds of evidence (docs/spec/evidence.md, sections 3 and 8).
const (
	Simulated   = statement.KindSimulated
	SGX         = "sgx-dcap"
	TDX         = "tdx-dcap"
	SNP         = "snp"
	Nitro       = "nitro"
	AzureSNP    = "azure-snp" // a virtual TPM bound to an SNP guest's report
	AzureTDX    = "azure-tdx" // a virtual TPM bound to a trust domain's quote
	TPMSoftware = statement.KindTPMSoftware
)

// Vendor is whose word on a machine's TCB a policy has to judge.
type Vendor string

// Vendors. NoVendor says nothing of the machine that a policy could ask for: AWS attests its own, and software has none.
const (
	NoVendor Vendor = ""
	Intel    Vendor = "Intel"
	AMD      Vendor = "AMD"
)

// VendorOf says whose terms the TCB of a kind is in. known is false for a kind that no policy can be written for.
func VendorOf(kind string) (v Vendor, known bool) {
	switch kind {
	case SGX, TDX, AzureTDX:
		return Intel, true
	case SNP, AzureSNP:
		return AMD, true
	case Nitro, Simulated, TPMSoftware:
		return NoVendor, true
	}
	return NoVendor, false
}

// AMDLines are the lines of processors, and the components of the TCB that a policy states a minimum of, for each.
func AMDLines() map[string][]string {
	return map[string][]string{
		"Milan": {"bootloader", "microcode", "snp", "tee"},
		"Genoa": {"bootloader", "microcode", "snp", "tee"},
		"Turin": {"bootloader", "fmc", "microcode", "snp", "tee"},
	}
}

// IntelStatuses are the words of Intel that a policy may accept, best first. Revoked is never one.
func IntelStatuses() []string {
	return []string{"UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDate", "OutOfDateConfigurationNeeded"}
}

func needs(kinds []string, v Vendor) bool {
	return slices.ContainsFunc(kinds, func(k string) bool { of, _ := VendorOf(k); return of == v })
}
