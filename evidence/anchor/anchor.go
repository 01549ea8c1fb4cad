package anchor

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/cordon-exchange/cordon/evidence/stage"
)

// Parse reads one self-signed certificate in PEM, with nothing behind it. Its errors are stage.Parse.
func Parse(src []byte) (*x509.Certificate, error) {
	block, rest := pem.Decode(src)
	if block == nil || block.Type != "CERTIFICATE" || strings.TrimSpace(string(rest)) != "" {
		return nil, fmt.Errorf("%w: a root is one certificate", stage.Parse)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil || c.CheckSignatureFrom(c) != nil {
		return nil, fmt.Errorf("%w: a root signs itself", stage.Parse)
	}
	return c, nil
}
