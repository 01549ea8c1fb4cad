package cli

import (
	"context"
	"errors"
	"syscall"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/pme"
)

// parquetFault turns an error of package pme into one with a hint and an exit code.
func parquetFault(msg string, err error) error {
	if errors.Is(err, context.Canceled) {
		return fault.New(fault.Internal, msg, "interrupted; nothing was written", err)
	}
	for _, c := range parquetCases() {
		if errors.Is(err, c.is) {
			return fault.New(c.code, msg, c.hint, err)
		}
	}
	return fault.New(fault.Internal, msg, "", err)
}

type parquetCase struct {
	is   error
	code fault.Code
	hint string
}

func parquetCases() []parquetCase {
	return []parquetCase{
		{syscall.ENOSPC, fault.LocalStorage, "the disk is full; free some space or choose another place with -o"},
		{pme.ErrWrite, fault.LocalStorage, "choose a place with -o that can be written"},
		{pme.ErrRead, fault.Input, "the file could not be read; try again or fetch it anew"},
		{pme.ErrMissingKey, fault.NoKey, "add the key to the keys file, or name other columns with --columns"},
		{pme.ErrAADPrefix, fault.Untrusted, "set aad_prefix in the keys file to what the file was sealed with, and leave it out for files sealed without"},
		{pme.ErrTampered, fault.Untrusted, "check that keys and aad_prefix belong to this file; if they do, it was changed: fetch it anew from its owner"},
		{pme.ErrUnauthenticated, fault.Untrusted, "anyone could have changed this data; to open it all the same, say --unauthenticated"},
		{pme.ErrKey, fault.Input, "keys are 16, 24 or 32 bytes, one for the footer and another for each column of the file"},
		{pme.ErrColumns, fault.Usage, "name columns by their dotted path in the schema, maps and variants as a whole"},
		{pme.ErrOptions, fault.Usage, "see --help"},
		{pme.ErrNotEncrypted, fault.Input, "it is plain already; 'cordon parquet seal' encrypts it"},
		{pme.ErrAlreadyEncrypted, fault.Input, "open it first with 'cordon parquet open'"},
		{pme.ErrUnsupported, fault.Input, "write the file anew with a common Parquet writer"},
		{pme.ErrMalformed, fault.Input, "the file is damaged or not Parquet; fetch or write it anew"},
	}
}
