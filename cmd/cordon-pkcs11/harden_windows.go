package main

import "os"

// harden has nothing to do: Windows writes no core dumps unless it is told to.
func harden() (*os.File, error) { return os.Stdout, nil }
