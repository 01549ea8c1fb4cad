package kms

import (
	"context"
	"net/url"

	"github.com/aws/smithy-go"
	"gocloud.dev/gcerrors"
	"gocloud.dev/secrets"
	_ "gocloud.dev/secrets/awskms"        // awskms://
	_ "gocloud.dev/secrets/azurekeyvault" // azurekeyvault://
	_ "gocloud.dev/secrets/gcpkms"        // gcpkms://

	"github.com/cordon-exchange/cordon/internal/party/keystore/helper/wire"
	"github.com/cordon-exchange/cordon/internal/party/keystore/kms"
)

// cloud is a key of a cloud's, with the credentials that its library finds: of the machine, the environment or a profile.
type cloud struct{ keeper *secrets.Keeper }

func openCloud(ctx context.Context, k *kms.Key, raw string) (*cloud, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fail(wire.CodeUsage, "not a URL")
	}
	if k.Scheme == kms.Azure {
		q := u.Query()
		q.Set("algorithm", "RSA-OAEP-256")
		u.RawQuery = q.Encode()
	}
	keeper, err := secrets.OpenKeeper(ctx, u.String())
	if err != nil { // its text may have what the machine's configuration says
		return nil, fail(wire.CodeDenied, "the cloud's library finds no credentials, or no such key")
	}
	return &cloud{keeper}, nil
}

// Encrypt is keeper's.
func (c *cloud) Encrypt(ctx context.Context, plain []byte) ([]byte, error) {
	out, err := c.keeper.Encrypt(ctx, plain)
	return out, c.classify(err)
}

// Decrypt is keeper's.
func (c *cloud) Decrypt(ctx context.Context, sealed []byte) ([]byte, error) {
	out, err := c.keeper.Decrypt(ctx, sealed)
	return out, c.classify(err)
}

// classify keeps the cloud's own words out, but for the name of its error.
func (c *cloud) classify(err error) error {
	if err == nil {
		return nil
	}
	name := ""
	var api smithy.APIError
	if c.keeper.ErrorAs(err, &api) {
		name = api.ErrorCode()
	}
	switch code := gcerrors.Code(err); {
	case name == "AccessDeniedException" || name == "UnrecognizedClientException" || name == "ExpiredTokenException" || code == gcerrors.PermissionDenied:
		return fail(wire.CodeDenied, "the cloud refuses the credentials, or they may not use the key "+name)
	case code == gcerrors.NotFound:
		return fail(wire.CodeMissing, "the cloud has no such key")
	case code == gcerrors.InvalidArgument || code == gcerrors.FailedPrecondition:
		return fail(wire.CodeFailed, "the cloud can't do that "+name)
	}
	return fail(wire.CodeAway, "the cloud does not answer "+name)
}
