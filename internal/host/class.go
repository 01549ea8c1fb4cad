package host

import (
	"runtime"
	"time"

	"github.com/cordon-exchange/cordon/internal/channel"
)

// Class is a resource class of jobs: what an enclave may use. All fields are required.
type Class struct {
	Name        string
	MemoryBytes int64
	Threads     int
	Reply       time.Duration // how long brokers may take to answer one question
	Run         time.Duration // how long data may be open
	Whole       time.Duration // how long the enclave may live; then it is killed
}

func (c Class) valid() bool {
	return channel.ValidName(c.Name) && c.MemoryBytes > 0 && c.Threads > 0 && c.Reply > 0 && c.Run > 0 && c.Whole > c.Run
}

func (c Class) limits() channel.Limits {
	return channel.Limits{
		MemoryBytes: c.MemoryBytes, Threads: int64(c.Threads),
		ReplyMS: c.Reply.Milliseconds(), RunMS: c.Run.Milliseconds(),
	}
}

// DefaultClasses are the classes that every host offers; docs/spec/channel.md, section 6.
func DefaultClasses() []Class {
	threads := runtime.GOMAXPROCS(0)
	return []Class{
		{Name: "small", MemoryBytes: 1 << 30, Threads: threads, Reply: 20 * time.Second, Run: 2 * time.Minute, Whole: 5 * time.Minute},
		{Name: "standard", MemoryBytes: 4 << 30, Threads: threads, Reply: 20 * time.Second, Run: 10 * time.Minute, Whole: 15 * time.Minute},
		{Name: "large", MemoryBytes: 16 << 30, Threads: threads, Reply: 20 * time.Second, Run: time.Hour, Whole: 70 * time.Minute},
	}
}

func classNames(classes []Class) []string {
	var out []string
	for _, c := range classes {
		out = append(out, c.Name)
	}
	return out
}

func classOf(classes []Class, name string) (Class, bool) {
	for _, c := range classes {
		if c.Name == name {
			return c, true
		}
	}
	return Class{}, false
}
