package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/policy/owner"
)

// besidePolicy is the file of builds that is read where no other is named.
const besidePolicy = "builds.txt"

// buildsFlag names the file that says which build is published under which name.
func buildsFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "builds", "", "file of lines 'sha256:... NAME', for policies that name builds; default "+besidePolicy+" beside the policy, if it is there")
}

// readResolved reads a policy file, with digests in the place of names of builds. A name that no file says the build of is a
// *policy.SyntaxError.
func readResolved(cmd *cobra.Command, path, builds string) ([]byte, error) {
	text, err := readPolicyFile(cmd, path)
	if err != nil {
		return nil, err
	}
	beside := builds == ""
	if beside {
		if path == "-" {
			return policy.ResolveBuilds(text, nil)
		}
		builds = filepath.Join(filepath.Dir(path), besidePolicy)
	}
	src, err := readBounded(builds, owner.MaxBuilds)
	if beside && errors.Is(err, fs.ErrNotExist) {
		return policy.ResolveBuilds(text, nil)
	}
	if err != nil {
		return nil, fault.New(fault.Input, "can't read the file of builds", "name a file of lines 'sha256:... NAME' with --builds", err)
	}
	names, err := owner.ParseBuilds(src)
	if err != nil {
		return nil, fault.New(fault.Input, "not a file of builds: "+builds, "each line is a digest and a name: sha256:... NAME", err)
	}
	return policy.ResolveBuilds(text, names)
}

// policyFault says where a policy that could not be resolved is wrong.
func policyFault(path string, err error) error {
	var s *policy.SyntaxError
	if errors.As(err, &s) {
		return fault.New(fault.Input, fmt.Sprintf("%s:%d:%d: %s", path, s.Line, s.Col, s.Msg), s.Hint, nil)
	}
	return err
}
