package quiet

import "golang.org/x/sys/unix"

// undumpable also keeps other processes of the same user from reading this one's memory.
func undumpable() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }

func replace(from, to int) error { return unix.Dup3(from, to, 0) }
