//go:build linux

package main

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	_ "github.com/duckdb/duckdb-go/v2" // the engine
	"golang.org/x/sys/unix"

	"github.com/cordon-exchange/cordon/internal/enclave/served"
)

// work is what the enclave must still be able to do.
func work(c *client) map[string]try {
	return map[string]try{
		"scan":            func(threads int) (string, error) { return scan(c, threads) },
		"engine path":     func(int) (string, error) { return enginePath() },
		"runtime":         func(int) (string, error) { return exerciseRuntime() },
		"hang":            func(int) (string, error) { select {} },
		"eat memory":      func(int) (string, error) { return eat() },
		"eat engine":      func(int) (string, error) { return eatEngine() },
		"eat memory file": func(int) (string, error) { return eatFile() },
		"eat descriptors": func(int) (string, error) { return eatDescriptors() },
		"read the clock": func(int) (string, error) {
			var ts unix.Timespec
			_, err := raw(unix.SYS_CLOCK_GETTIME, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&ts)))(0)
			return fmt.Sprint(ts.Sec > 0), err
		},
		"panic with data":  func(n int) (string, error) { panic(fmt.Sprint("canary-", n)) },
		"abort in C":       func(int) (string, error) { abortInC(); return "", nil },
		"fault in C":       func(int) (string, error) { faultInC(); return "", nil },
		"echo a megabyte":  func(int) (string, error) { return echo(c) },
		"threads to limit": func(n int) (string, error) { return threads(n) },
	}
}

// scan fetches a Parquet file over the channel, and serves it to DuckDB, as the enclave does with opened columns.
func scan(c *client, threads int) (string, error) {
	data, err := c.get("/parquet")
	if err != nil {
		return "", err
	}
	f, err := served.Create("column")
	if err != nil {
		return "", err
	}
	defer f.Close()
	if err := f.Serve(bytes.NewReader(data), int64(len(data))); err != nil {
		return "", err
	}
	db, err := sql.Open("duckdb", fmt.Sprintf("?threads=%d&memory_limit=256MB", threads))
	if err != nil {
		return "", err
	}
	defer db.Close()
	path := f.Path()
	for _, s := range []string{
		"set allowed_paths=['" + path + "']", "set enable_external_access=false", "set lock_configuration=true",
	} {
		if _, err := db.Exec(s); err != nil {
			return "", err
		}
	}
	var n, sum, groups int64
	for range 5 {
		row := db.QueryRow("select count(*)::bigint, sum(i)::bigint, count(distinct g)::bigint from read_parquet('" + path + "')")
		if err := row.Scan(&n, &sum, &groups); err != nil {
			return "", err
		}
	}
	return fmt.Sprint(n, " ", sum, " ", groups), nil
}

// engineOptions keep DuckDB from asking the machine: it would look for its control group's limits in /sys, and take a
// refusal for an error.
const engineOptions = "?threads=2&memory_limit=256MB"

// enginePath lets the engine itself try a file, without its own guard.
func enginePath() (string, error) {
	db, err := sql.Open("duckdb", engineOptions)
	if err != nil {
		return "", err
	}
	defer db.Close()
	if _, err := db.Exec("copy (select 1) to '/tmp/cordon-probe.csv'"); err == nil {
		return "written", nil
	}
	var s string
	if err := db.QueryRow("select content from read_text('/etc/hostname')").Scan(&s); err == nil {
		return "read", nil
	}
	return "refused", nil
}

// exerciseRuntime makes threads, timers and garbage, and then collects it while threads spin. The filter refuses Go's signal to
// preempt, so the collector waits until each of them calls something.
func exerciseRuntime() (string, error) {
	var wg sync.WaitGroup
	stop := time.After(300 * time.Millisecond)
	done := make(chan struct{})
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			runtime.LockOSThread()
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
					_ = make([]byte, 64<<10)
				}
			}
		}()
	}
	<-stop
	close(done)
	wg.Wait()
	var end atomic.Bool
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for !ended(&end) {
			}
		}()
	}
	time.Sleep(10 * time.Millisecond)
	runtime.GC()
	end.Store(true)
	wg.Wait()
	return "fine", nil
}

//go:noinline
func ended(end *atomic.Bool) bool {
	var room [64]byte // a frame: functions without one are not points to stop at
	room[len(room)-1] = 1
	return end.Load() && sum(&room) == 1
}

//go:noinline
func sum(room *[64]byte) (n byte) {
	for _, b := range room {
		n += b
	}
	return n
}

func eat() (string, error) {
	var all [][]byte
	for {
		b := make([]byte, 16<<20)
		for i := 0; i < len(b); i += page {
			b[i] = 1
		}
		all = append(all, b)
		if len(all) > 4096 {
			return "64 GiB", nil
		}
	}
}

// eatEngine asks for one huge string, which DuckDB's own memory_limit does not stop.
func eatEngine() (string, error) {
	db, err := sql.Open("duckdb", engineOptions)
	if err != nil {
		return "", err
	}
	defer db.Close()
	var n int64
	err = db.QueryRow("select sum(length(repeat(repeat('0123456789abcdef', 4096), 40000 + i)))::bigint from range(4) t(i)").Scan(&n)
	if err != nil {
		return "engine refused", nil
	}
	return fmt.Sprint(n), nil
}

func eatFile() (string, error) {
	fd, err := unix.MemfdCreate("x", unix.MFD_CLOEXEC)
	if err != nil {
		return "", err
	}
	return "", unix.Ftruncate(fd, 1<<40)
}

func eatDescriptors() (string, error) {
	for n := 0; n < 1<<16; n++ {
		if _, err := unix.MemfdCreate("x", unix.MFD_CLOEXEC); err != nil {
			return fmt.Sprint(n), err
		}
	}
	return "65536", nil
}

func echo(c *client) (string, error) {
	b := make([]byte, 1<<20)
	if err := c.post("/echo", b); err != nil {
		return "", err
	}
	return "sent", nil
}

// threads holds n OS threads at once. The runtime ends the process when it can't make one more.
func threads(n int) (string, error) {
	var ready, release sync.WaitGroup
	release.Add(1)
	for range n {
		ready.Add(1)
		go func() {
			runtime.LockOSThread()
			ready.Done()
			release.Wait()
		}()
	}
	ready.Wait()
	release.Done()
	return "", errors.New("all made")
}
