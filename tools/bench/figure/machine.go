package figure

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// Machine is what a run had, and how much of it.
type Machine struct {
	OS         string  `json:"os"`
	CPU        string  `json:"cpu"`
	Processors int     `json:"processors"`
	Memory     int64   `json:"memory_bytes"`
	Kernel     string  `json:"kernel"`
	Go         string  `json:"go"`
	DuckDB     string  `json:"duckdb_go"`
	Load       float64 `json:"load_at_start"`  // one minute
	Others     float64 `json:"others_percent"` // of the processors, busy while the bench paused: median of samples
	Busy       bool    `json:"busy"`

	samples []float64
}

// ThisMachine looks at it.
func ThisMachine() Machine {
	m := Machine{OS: runtime.GOOS + "/" + runtime.GOARCH, CPU: field("/proc/cpuinfo", "model name"), Processors: runtime.NumCPU(), Go: runtime.Version()}
	kb, _, _ := strings.Cut(field("/proc/meminfo", "MemTotal"), " ")
	if n, err := strconv.ParseInt(kb, 10, 64); err == nil {
		m.Memory = n << 10
	}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(b))
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == "github.com/duckdb/duckdb-go/v2" {
				m.DuckDB = d.Version
			}
		}
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _ = strconv.ParseFloat(strings.Fields(string(b))[0], 64)
	}
	return m
}

// field is the value of "name: value" in a file of the kernel's.
func field(path, name string) string {
	b, _ := os.ReadFile(path)
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}

// pause is how long the bench keeps still to see what others do.
const pause = 200 * time.Millisecond

// Sample notes how busy the processors are while nothing of the bench runs.
func (m *Machine) Sample() {
	busy, all, ok := ticks()
	time.Sleep(pause)
	busyNow, allNow, okNow := ticks()
	if ok && okNow && allNow > all {
		m.samples = append(m.samples, 100*(busyNow-busy)/(allNow-all))
	}
}

// ticks of all processors since they started.
func ticks() (busy, all float64, ok bool) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, false
	}
	first, _, _ := strings.Cut(string(b), "\n")
	for i, field := range strings.Fields(first) {
		n, err := strconv.ParseFloat(field, 64)
		if err != nil || i > 8 { // guests are counted in user
			continue
		}
		all += n
		if i != 4 && i != 5 { // idle, iowait
			busy += n
		}
	}
	return busy, all, all > 0
}

// What a quiet machine stays below.
const (
	quietOthers = 10.0 // percent
	quietSpread = 0.25 // of the plain sides, quartile to quartile over the median: the median of the figures
)

func (m *Machine) judge(spread float64) {
	m.Others = Median(m.samples)
	m.Busy = m.Others > quietOthers || spread > quietSpread
}

func (m Machine) text() string {
	return fmt.Sprintf("%s, %d processors, %s memory, %s, kernel %s, %s, duckdb-go %s", m.CPU, m.Processors, amount(float64(m.Memory), "B"), m.OS, m.Kernel, m.Go, m.DuckDB)
}
