package lockdown

import "golang.org/x/sys/unix"

const (
	auditArch = unix.AUDIT_ARCH_X86_64
	// x32Bit marks the calls of the x32 ABI, which share the architecture's number: all refused by killing.
	x32Bit = 0x40000000
)

// archAllowed are calls that glibc makes in an older form on this architecture.
func archAllowed() []rule {
	return []rule{
		{name: "stat", nr: unix.SYS_STAT, reason: "DuckDB: is it a file"},
	}
}

func archPretended() []rule {
	return []rule{
		{name: "access", nr: unix.SYS_ACCESS, reason: "DuckDB asks this before stat, which says what is there"},
	}
}

func archDeadly() []call {
	return []call{
		{"fork", unix.SYS_FORK}, {"vfork", unix.SYS_VFORK}, {"iopl", unix.SYS_IOPL}, {"ioperm", unix.SYS_IOPERM},
		{"modify_ldt", unix.SYS_MODIFY_LDT}, {"kexec_file_load", unix.SYS_KEXEC_FILE_LOAD},
	}
}
