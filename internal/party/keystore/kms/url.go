package kms

import (
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/statement"
)

// Schemes of the URLs.
const (
	Vault      = "vault"
	VaultPlain = "vault+http" // to this machine alone
	AWS        = "awskms"
	GCP        = "gcpkms"
	Azure      = "azurekeyvault"
)

const maxURL = 2048

// Key is a server's key, as a URL names it.
type Key struct {
	Scheme string
	Host   string            // Vault: host and port; Azure: host
	Path   string            // Vault: engine and key; Azure: keys/NAME/VERSION; AWS, GCP: the key's own name
	Query  map[string]string // what the scheme knows
}

// known are the parameters that a scheme has. All that name files are absolute paths. None is a secret.
func known(scheme string) []string {
	switch scheme {
	case Vault:
		return []string{"token-file", "ca-file", "namespace"}
	case VaultPlain:
		return []string{"token-file", "namespace"}
	case AWS:
		return []string{"region", "profile", "role", "endpoint", "fips"}
	}
	return nil
}

// Known reports whether a key store's name begins with one of the schemes.
func Known(name string) bool {
	scheme, _, _ := strings.Cut(name, "://")
	switch scheme {
	case Vault, VaultPlain, AWS, GCP, Azure:
		return true
	}
	return false
}

// Parse reads a URL strictly. Credentials are never in it.
func Parse(s string) (*Key, error) {
	if len(s) > maxURL || !Known(s) {
		return nil, malformed("it has no known scheme")
	}
	u, err := url.Parse(s)
	if err != nil || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return nil, malformed("it has a user, a password, a fragment, or is not encoded")
	}
	k := &Key{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimPrefix(u.Path, "/"), Query: map[string]string{}}
	if k.Scheme == AWS || k.Scheme == GCP {
		k.Host, k.Path = "", strings.Trim(u.Host+u.Path, "/")
	}
	if err := k.parameters(u); err != nil {
		return nil, err
	}
	if err := k.check(); err != nil {
		return nil, err
	}
	return k, nil
}

func (k *Key) parameters(u *url.URL) error {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return malformed("its parameters are not encoded")
	}
	for _, name := range known(k.Scheme) {
		if v, ok := values[name]; ok {
			if len(v) != 1 || v[0] == "" {
				return malformed("a parameter is empty or stands twice")
			}
			k.Query[name] = v[0]
			delete(values, name)
		}
	}
	if len(values) > 0 {
		return malformed("it has a parameter that is not known; credentials don't belong there")
	}
	return nil
}

// Patterns of what stands where a key is named: nothing that a path could climb with.
const (
	vaultPath = `^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*/[A-Za-z0-9_-]+$`
	azurePath = `^keys/[A-Za-z0-9-]{1,127}/[A-Za-z0-9]{32}$`
	azureHost = `^[a-z0-9-]+\.vault\.[a-z0-9.-]+$`
	awsKey    = `^[A-Za-z0-9:/_-]{1,512}$`
	gcpKey    = `^projects/[a-z0-9.:-]+/locations/[a-z0-9-]+/keyRings/[A-Za-z0-9_-]+/cryptoKeys/[A-Za-z0-9_-]+$`
)

func matches(pattern, s string) bool { return regexp.MustCompile(pattern).MatchString(s) }

func (k *Key) check() error {
	for _, name := range []string{"token-file", "ca-file"} {
		if path, ok := k.Query[name]; ok && !filepath.IsAbs(path) {
			return malformed(name + "= is not an absolute path")
		}
	}
	switch k.Scheme {
	case Vault, VaultPlain:
		if k.Host == "" || !matches(vaultPath, k.Path) || k.Query["token-file"] == "" {
			return malformed("Vault needs a host, ENGINE/KEY and token-file=")
		}
		if k.Scheme == VaultPlain && !loopback(k.Host) {
			return malformed("without TLS only this machine is spoken to")
		}
	case AWS:
		if !matches(awsKey, k.Path) {
			return malformed("AWS needs a key's id, alias/NAME or ARN")
		}
		return checkEndpoint(k.Query["endpoint"])
	case GCP:
		if !matches(gcpKey, k.Path) {
			return malformed("Google needs projects/…/locations/…/keyRings/…/cryptoKeys/…")
		}
	case Azure:
		if !matches(azureHost, k.Host) || !matches(azurePath, k.Path) {
			return malformed("Azure needs NAME.vault.azure.net/keys/KEY/VERSION, with the version")
		}
	}
	return nil
}

func checkEndpoint(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Host)) {
		return malformed("endpoint= is not an https:// URL")
	}
	return nil
}

// loopback reports whether a host is this machine, by its address.
func loopback(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	ip := net.ParseIP(strings.Trim(name, "[]"))
	return ip != nil && ip.IsLoopback()
}

// ID stands in front of what the key wrapped: it says which key, wherever its server is.
func (k *Key) ID() []byte {
	path := k.Path
	if k.Scheme == Azure {
		path = k.Host + "/" + k.Path
	}
	scheme := strings.TrimSuffix(k.Scheme, "+http")
	return statement.LabelledSum("cordon/kms-key/v1", []byte(scheme), []byte(path)).Bytes()[:8]
}

func malformed(why string) error {
	return fault.New(fault.Usage, "not the URL of a server's key: "+why,
		"write 'vault://HOST:8200/transit/KEY?token-file=FILE', awskms://alias/NAME?region=REGION, gcpkms://projects/…, or azurekeyvault://NAME.vault.azure.net/keys/KEY/VERSION", nil)
}
