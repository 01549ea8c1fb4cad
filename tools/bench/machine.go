package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// surroundings is the machine that a run had, and how much of it.
type surroundings struct {
	OS         string  `json:"os"`
	CPU        string  `json:"cpu"`
	Processors int     `json:"processors"`
	Go         string  `json:"go"`
	DuckDB     string  `json:"duckdb_go"`
	Rows       int     `json:"rows"`
	Load       float64 `json:"load_at_start"`  // one minute
	Others     float64 `json:"others_percent"` // of the processors, busy while the bench paused: median of samples
	Busy       bool    `json:"busy"`

	samples []float64
}

func machine(rows int) surroundings {
	s := surroundings{OS: runtime.GOOS + "/" + runtime.GOARCH, CPU: cpuName(), Processors: runtime.NumCPU(), Go: runtime.Version(), Rows: rows}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == "github.com/duckdb/duckdb-go/v2" {
				s.DuckDB = d.Version
			}
		}
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		s.Load, _ = strconv.ParseFloat(strings.Fields(string(b))[0], 64)
	}
	return s
}

func cpuName() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// pause is how long the bench keeps still to see what others do.
const pause = 200 * time.Millisecond

// sample notes how busy the processors are while nothing of the bench runs.
func (s *surroundings) sample() {
	busy, all, ok := ticks()
	time.Sleep(pause)
	busyNow, allNow, okNow := ticks()
	if ok && okNow && allNow > all {
		s.samples = append(s.samples, 100*(busyNow-busy)/(allNow-all))
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
	quietSpread = 0.25 // of the plain side, quartile to quartile over the median
)

func (s *surroundings) judge(spread float64) {
	s.Others = median(s.samples)
	s.Busy = s.Others > quietOthers || spread > quietSpread
}
