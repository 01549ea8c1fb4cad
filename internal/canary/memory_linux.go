package canary

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// Memory searches the readable memory of a process. It needs the right to
// ptrace it. Regions that vanish while it reads are passed over.
func (s *Set) Memory(pid int) ([]Hit, error) {
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	defer maps.Close()
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil, err
	}
	defer mem.Close()
	var hits []Hit
	for sc := bufio.NewScanner(maps); sc.Scan(); {
		var from, to int64
		var perm string
		if _, err := fmt.Sscanf(sc.Text(), "%x-%x %s", &from, &to, &perm); err != nil || !strings.HasPrefix(perm, "r") || skip(sc.Text()) {
			continue
		}
		found, _ := s.Reader(io.NewSectionReader(mem, from, to-from))
		hits = append(hits, found...)
	}
	return hits, nil
}

// skip passes over kernel pages that can't be read.
func skip(region string) bool {
	return strings.HasSuffix(region, "[vvar]") || strings.HasSuffix(region, "[vsyscall]") || strings.HasSuffix(region, "[vvar_vclock]")
}
