package quiet

import "os"

// Begin has nothing to do: Windows writes no core dumps unless it is told to.
func Begin() (*os.File, error) { return os.Stdout, nil }
