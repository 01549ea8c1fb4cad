package wire

import (
	"strings"

	"github.com/cordon-exchange/cordon/statement"
)

const (
	fingerprintPrefix = "cordon1"
	objectSuffix      = ".parquet"
)

// ObjectPath is where an owner's file lies in the lake: the owner's fingerprint
// without its prefix, data set, version, file.
func ObjectPath(owner statement.Fingerprint, dataset, version, file string) string {
	return strings.TrimPrefix(string(owner), fingerprintPrefix) + "/" + dataset + "/" + version + "/" + file
}

// ObjectOwner returns whose object a path names; false if it names none.
func ObjectOwner(path string) (statement.Fingerprint, bool) {
	part := strings.Split(path, "/")
	if !statement.ValidObject(path) || len(part) != 4 {
		return "", false
	}
	owner := statement.Fingerprint(fingerprintPrefix + part[0])
	file := strings.TrimSuffix(part[3], objectSuffix)
	ok := owner.Valid() && statement.ValidName(part[1]) && statement.ValidVersion(part[2]) &&
		file != "" && file != part[3]
	if !ok {
		return "", false
	}
	return owner, true
}

// ArtifactFor returns for whom an artifact is: a fingerprint, or "" for one that
// concerns several; false if name names no artifact.
func ArtifactFor(name string) (statement.Fingerprint, bool) {
	if name == ArtifactResult || name == ArtifactReceipt {
		return "", true
	}
	for _, prefix := range []string{ArtifactKey, ArtifactBundle} {
		if fp, ok := strings.CutPrefix(name, prefix); ok {
			return statement.Fingerprint(fp), statement.Fingerprint(fp).Valid()
		}
	}
	return "", false
}

// ValidToken reports whether s can be a stage, class, kind or code: "[a-z][a-z0-9:_-]{0,63}".
func ValidToken(s string) bool {
	if s == "" || len(s) > 64 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != ':' {
			return false
		}
	}
	return true
}

// KeyRevocation is the name under which revocations of online keys are listed.
const KeyRevocation = "key"
