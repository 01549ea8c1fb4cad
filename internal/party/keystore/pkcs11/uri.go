package pkcs11

import (
	"net/url"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/keystore/helper/wire"
)

// Scheme of the URIs.
const Scheme = "pkcs11:"

const (
	maxURI   = 2048
	maxLabel = 32 // of a token: PKCS#11 gives it 32 bytes
)

// Parse reads a URI in the form of RFC 7512: which token, which label of keys, which module, which file has the PIN. All are
// required but the serial number. The PIN itself is never in it.
func Parse(uri string) (wire.Token, error) {
	var o wire.Token
	rest, ok := strings.CutPrefix(uri, Scheme)
	if !ok || len(uri) > maxURI {
		return o, malformed("it does not begin with " + Scheme)
	}
	path, query, _ := strings.Cut(rest, "?")
	fields := map[string]*string{"token": &o.Token, "serial": &o.Serial, "object": &o.Object}
	if err := attributes(path, ";", fields); err != nil {
		return wire.Token{}, err
	}
	var source string
	if err := attributes(query, "&", map[string]*string{"module-path": &o.Module, "pin-source": &source}); err != nil {
		return wire.Token{}, err
	}
	o.PINFile = strings.TrimPrefix(source, "file:")
	switch {
	case o.Token == "" || o.Object == "" || len(o.Token) > maxLabel:
		return wire.Token{}, malformed("it names no token= or no object=")
	case !filepath.IsAbs(o.Module):
		return wire.Token{}, malformed("module-path= is not the absolute path of the vendor's library")
	case !filepath.IsAbs(o.PINFile):
		return wire.Token{}, malformed("pin-source= is not the absolute path of a file")
	}
	return o, nil
}

func attributes(s, separator string, into map[string]*string) error {
	for part := range strings.SplitSeq(s, separator) {
		name, value, ok := strings.Cut(part, "=")
		if name == "pin-value" {
			return malformed("a PIN must not stand in it: put it into a file, and name that with pin-source=")
		}
		field := into[name]
		if !ok || field == nil {
			return malformed("unknown attribute")
		}
		text, err := url.PathUnescape(value)
		if err != nil || text == "" || *field != "" || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return malformed("an attribute is empty, stands twice or is not encoded")
		}
		*field = text
	}
	return nil
}

func malformed(why string) error {
	return fault.New(fault.Usage, "not the URI of a token's key: "+why,
		"write 'pkcs11:token=LABEL;object=LABEL?module-path=/path/of/module.so&pin-source=/path/of/pin'", nil)
}
