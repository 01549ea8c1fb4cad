package releasing

import (
	"cmp"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"testing"
)

// TestMeasure: each line gives figures, of releases that were all opened and checked.
func TestMeasure(t *testing.T) {
	dir := cmp.Or(os.Getenv("RELEASING_DIR"), t.TempDir())
	n, _ := strconv.Atoi(cmp.Or(os.Getenv("RELEASING_N"), "40"))
	for i, line := range Lines() {
		t.Run(line.Name, func(t *testing.T) {
			o := Options{Dir: dir, Releases: n}
			if p := os.Getenv("RELEASING_PROFILE"); p != "" {
				o.Profile = func(l Line) (func(), error) {
					f, err := os.Create(filepath.Join(p, strconv.Itoa(i)+".pprof"))
					if err != nil {
						return nil, err
					}
					return func() { pprof.StopCPUProfile(); f.Close() }, pprof.StartCPUProfile(f)
				}
			}
			procs := runtime.GOMAXPROCS(0)
			f, err := Measure(t.Context(), line, o)
			if err != nil {
				t.Fatal(err)
			}
			if f.PerSecond <= 0 || f.Processor <= 0 || f.Floor <= 0 || f.P99 < f.P50 || f.P50 <= 0 || runtime.GOMAXPROCS(0) != procs {
				t.Errorf("%+v", f)
			}
			t.Logf("%s: %.0f a second, %s of processor time each (floor %s); at %.0f a second p50 %s, p99 %s", f.Name, f.PerSecond, f.Processor, f.Floor, f.Load, f.P50, f.P99)
			left, err := filepath.Glob(filepath.Join(dir, "*"))
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %s", strings.Join(left, " "))
			}
		})
	}
}

// BenchmarkFloor is what no broker is faster than.
func BenchmarkFloor(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	f := newFloor()
	for b.Loop() {
		if err := f.once(); err != nil {
			b.Fatal(err)
		}
	}
}
