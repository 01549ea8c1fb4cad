package cli

import (
	"bytes"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/fault"
)

// limitsFile is what an operator sets; what is absent has its default.
type limitsFile struct {
	Limits int64 `yaml:"limits"`
	Rates  map[string]struct {
		PerSecond float64 `yaml:"per_second"`
		Burst     float64 `yaml:"burst"`
	} `yaml:"rates"`
	Introductions struct {
		PerSecond float64 `yaml:"per_second"`
		Burst     float64 `yaml:"burst"`
	} `yaml:"introductions"`
	Polls      int   `yaml:"polls"`
	Storage    int64 `yaml:"storage_bytes"`
	OpenJobs   int64 `yaml:"open_jobs"`
	OpenOrders int64 `yaml:"open_orders"`
	FromOne    int64 `yaml:"mailbox_from_one"`
	Statements int64 `yaml:"statements_per_day"`
}

const limitsHint = "see docs/operating.md, section Limits"

// readLimits reads the file of --limits; none means the defaults.
func readLimits(path string) (exchange.Limits, error) {
	if path == "" {
		return exchange.Limits{}, nil
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return exchange.Limits{}, fault.New(fault.Input, "can't read the limits", "check the path", err)
	}
	var f limitsFile
	d := yaml.NewDecoder(bytes.NewReader(src))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil {
		return exchange.Limits{}, fault.New(fault.Input, "the limits can't be read: "+strings.ReplaceAll(err.Error(), "\n", " "), limitsHint, nil)
	}
	if f.Limits != 1 {
		return exchange.Limits{}, fault.New(fault.Input, "the limits are not of version 1", "begin with limits: 1", nil)
	}
	l := exchange.Limits{
		Rates: map[string]exchange.Rate{}, Introductions: exchange.Rate{PerSecond: f.Introductions.PerSecond, Burst: f.Introductions.Burst}, Polls: f.Polls, Storage: f.Storage,
		OpenJobs: f.OpenJobs, OpenOrders: f.OpenOrders, FromOne: f.FromOne, Statements: f.Statements,
	}
	for class, r := range f.Rates {
		l.Rates[class] = exchange.Rate{PerSecond: r.PerSecond, Burst: r.Burst}
	}
	if err := l.Valid(); err != nil {
		return exchange.Limits{}, fault.New(fault.Input, "a limit is negative, lets nothing pass, or is of a class that there is none of", limitsHint, err)
	}
	return l, nil
}
