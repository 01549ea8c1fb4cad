package runner

import (
	"github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/internal/enclave/failure"
	"github.com/cordon-exchange/cordon/result"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// sealedResult is the answer, encrypted under a key that nobody else has yet.
type sealedResult struct {
	key        *seal.DataKey
	ciphertext []byte
	ref        statement.ResultRef
}

// sealResult pads the table, so that its size says little, and encrypts it under a fresh key, bound to the job.
func sealResult(mem seal.Memory, job statement.Digest, t *result.Table) (*sealedResult, error) {
	text, err := t.Encode()
	if err != nil {
		return nil, failure.New(failure.Internal, err)
	}
	defer clear(text)
	padded, err := result.Pad(text)
	if err != nil {
		return nil, failure.New(failure.TooLarge, err)
	}
	defer clear(padded)
	key, err := seal.NewDataKeyIn(mem)
	if err != nil {
		return nil, failure.New(failure.Internal, err)
	}
	sealed, err := key.Encrypt(seal.ResultAAD(job), padded)
	if err != nil {
		return nil, failure.New(failure.Internal, err)
	}
	if len(sealed) > channel.MaxArtifact {
		return nil, failure.New(failure.TooLarge, nil)
	}
	return &sealedResult{key: key, ciphertext: sealed, ref: statement.ResultRef{Digest: statement.Sum(sealed), Bytes: int64(len(sealed))}}, nil
}
