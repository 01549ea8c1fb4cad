package images

import (
	_ "embed"

	"github.com/cordon-exchange/cordon/statement"
)

//go:embed gramine/cordon-enclave.manifest.template
var manifestTemplate []byte

//go:embed gramine/Dockerfile
var dockerfile []byte

// gramine gives what Gramine's tools are given: they compute and sign the measurement, on a machine that has them.
func gramine(o Options) (*About, []File, error) {
	a := &About{Kind: SGX, Hardware: neverRun, Program: statement.Sum(o.Enclave)}
	return a, []File{{"cordon-enclave.manifest.template", manifestTemplate}, {"Dockerfile", dockerfile}, {"cordon-enclave", o.Enclave}}, nil
}
