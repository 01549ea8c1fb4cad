package folder

import "syscall"

const diskFull = syscall.Errno(112) // ERROR_DISK_FULL

// syncDir does nothing: Windows offers no fsync of a folder, its file system
// journals renames.
func syncDir(string) error { return nil }
