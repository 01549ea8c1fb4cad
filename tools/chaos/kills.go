package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// killing is one kill.
type killing struct {
	N  int       `json:"n"`
	Of string    `json:"of"`
	At time.Time `json:"at"`
}

// killed kills at random: which one is chance, and when, on average once in every.
func (w *world) killed(ctx context.Context, n int, every time.Duration, chance *rand.Rand) []killing {
	var out []killing
	all := w.victims()
	for len(out) < n && ctx.Err() == nil {
		sleep(ctx, every/4+time.Duration(chance.Int64N(int64(every*3/2))))
		if ctx.Err() != nil {
			break
		}
		for _, i := range chance.Perm(len(all)) { // the first that runs
			if at := time.Now(); all[i].kill() {
				out = append(out, killing{N: len(out) + 1, Of: all[i].name(), At: at})
				w.say("kill %d: %s", len(out), all[i].name())
				break
			}
		}
	}
	return out
}

// felt is how long after a kill a job may still end because of it: its process comes back, a lease runs out, an owner's answer is
// waited for, and each of these may happen to the next attempt as well.
const felt = 60 * time.Second

// blame names the kill that ended a job that has no result: the last one that it may have felt, of what its code is about where that
// is known; "" for none.
func blame(j *job, kills []killing) string {
	found := ""
	for _, k := range kills {
		if k.At.Before(j.Ended) && k.At.After(j.Submitted.Add(-felt)) && concerns(j, k.Of) {
			found = k.name()
		}
	}
	return found
}

func (k *killing) name() string { return "kill " + strconv.Itoa(k.N) + " of " + k.Of }

// concerns reports whether a job's code can come of a kill of that process. A code that is not here can come of none: evidence, keys,
// data and signatures stay right whatever ends, and where they do not that is a fault.
func concerns(j *job, of string) bool {
	code, party, _ := strings.Cut(j.Code, ":")
	is := func(kinds ...string) bool {
		return slices.ContainsFunc(kinds, func(k string) bool { return strings.HasPrefix(of, k) })
	}
	switch code {
	case "no-answer": // of a party
		return is("agent-"+party, "exchange", "postgresql")
	case "refused": // also by an owner whom a receipt had reached when the attempt before was lost
		return is("agent-"+party, "exchange", "postgresql") || j.Attempts > 1 && is("host", "enclave")
	case "host-lost", "enclave-lost", "enclave-start":
		return is("host", "enclave", "exchange", "postgresql")
	case "channel", "result-unsent", "timed-out", "expired":
		return is("host", "enclave", "exchange", "postgresql", "s3", "agent")
	}
	return false
}
