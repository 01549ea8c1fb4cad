package token

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/cordon-exchange/cordon/evidence/stage"
)

// closed are the values of dbgstat that keep debuggers out (RFC 9711, section 4.2.9). Anything else, or nothing, is debug.
var closed = []string{"disabled", "disabled-since-boot", "disabled-permanently", "disabled-fully-and-permanently"}

// read reads the claims. Those it does not know are left alone: Google adds some from time to time.
func read(payload []byte) (*Verified, error) {
	o, err := parseObject(payload)
	if err != nil {
		return nil, err
	}
	v := &Verified{Claims: Claims{claims: payload}}
	for name, to := range map[string]*string{
		"iss": &v.Issuer, "sub": &v.Subject, "hwmodel": &v.HardwareModel, "swname": &v.Software, "dbgstat": &v.DebugStatus,
	} {
		if *to, err = o.text(name); err != nil {
			return nil, err
		}
	}
	for name, to := range map[string]*time.Time{"iat": &v.IssuedAt, "nbf": &v.NotBefore, "exp": &v.Expiry} {
		n, err := o.seconds(name)
		if err != nil {
			return nil, err
		}
		*to = time.Unix(n, 0).UTC()
	}
	for name, to := range map[string]*[]string{
		"eat_nonce": &v.Nonces, "swversion": &v.SoftwareVersions, "google_service_accounts": &v.ServiceAccounts,
	} {
		if *to, err = o.texts(name); err != nil {
			return nil, err
		}
	}
	aud, err := o.texts("aud")
	if err != nil || len(aud) != 1 { // one that others may show as well is for nobody
		return nil, fmt.Errorf("%w: not one audience", stage.Parse)
	}
	v.Audience = aud[0]
	if raw, ok := o["secboot"]; ok {
		if err := json.Unmarshal(raw, &v.SecureBoot); err != nil {
			return nil, fmt.Errorf("%w: secboot", stage.Parse)
		}
	}
	v.Debug = !slices.Contains(closed, v.DebugStatus)
	return v, v.container(o)
}

// container reads the workload's image.
func (v *Verified) container(o object) error {
	sub, err := o.member("submods")
	if err != nil {
		return err
	}
	c, err := sub.member("container")
	if err != nil {
		return err
	}
	if v.ImageDigest, err = c.text("image_digest"); err != nil {
		return err
	}
	v.ImageReference, err = c.text("image_reference")
	return err
}
