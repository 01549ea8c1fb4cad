package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/cordon-exchange/cordon/internal/canary"
)

func (d *demo) receipts(ctx context.Context) error {
	for i, j := range d.jobs {
		args := []string{"receipt", "verify", filepath.Join(d.out, j.Bundle), "--pins", filepath.Join(d.out, "pins.txt")}
		if i == 0 {
			if err := d.show(ctx, args...); err != nil {
				return err
			}
			continue
		}
		if _, err := d.cordon(ctx, args...); err != nil {
			return err
		}
		say("%-16s %s: verified offline, %s", j.Name, short(j.Digest), d.rests())
	}
	return nil
}

// account says what it took, ends everything, and writes what the checker needs.
func (d *demo) account(ctx context.Context) error {
	if err := d.table(); err != nil {
		return err
	}
	if err := d.searchMemory(); err != nil {
		return err
	}
	d.stopAll()
	if err := d.writeSummary(); err != nil {
		return err
	}
	say("results          out/results      (JSON; 'cordon result open' prints them as a table)")
	say("receipts         out/receipts     (bundles), pins in out/pins.txt")
	say("lake, database   out/exchange     (ciphertext, signatures)")
	say("parties' homes   out/homes        (keyrings, ledgers), their own CSVs in out/premises")
	say("logs             out/logs")
	say("whole story in %s", time.Since(d.started).Round(100*time.Millisecond))
	return writeManifest(d.out)
}

// account of one job, out of its receipt.
type accountOf struct {
	Receipt struct {
		Clear struct {
			Bytes            int64 `json:"bytes"`
			Micros           int64 `json:"micros"`
			ByteMilliseconds int64 `json:"byte_milliseconds"`
		} `json:"clear"`
		Stages []struct {
			Name   string `json:"name"`
			Micros int64  `json:"micros"`
		} `json:"stages"`
	} `json:"receipt"`
}

func (d *demo) table() error {
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', tabwriter.AlignRight)
	for i, j := range d.jobs {
		var a accountOf
		if err := d.cordonJSON(context.Background(), &a, "receipt", "verify", filepath.Join(d.out, j.Bundle), "--pins", filepath.Join(d.out, "pins.txt")); err != nil {
			return err
		}
		if i == 0 {
			head := []string{"   job", "whole"}
			for _, s := range a.Receipt.Stages {
				head = append(head, s.Name)
			}
			fmt.Fprintln(w, strings.Join(append(head, "clear bytes", "clear ms", "clear byte-seconds"), "\t")+"\t")
		}
		line := []string{"   " + j.Name, fmt.Sprintf("%d ms", j.wall.Milliseconds())}
		for _, s := range a.Receipt.Stages {
			line = append(line, fmt.Sprintf("%.1f", float64(s.Micros)/1000))
		}
		c := a.Receipt.Clear
		line = append(line, fmt.Sprint(c.Bytes), fmt.Sprintf("%.1f", float64(c.Micros)/1000), fmt.Sprintf("%.3f", float64(c.ByteMilliseconds)/1000))
		fmt.Fprintln(w, strings.Join(line, "\t")+"\t")
	}
	return w.Flush()
}

// searchMemory looks for owners' values in the memory of every process that must
// not have them: all but the airlines' own agents.
func (d *demo) searchMemory() error {
	set := &canary.Set{}
	for _, v := range []string{"WASHINGTON DULLES INTL ARPT", "DALLAS/FORT WORTH INTL ARPT", "European starling", "American kestrel", "Unknown bird or bat"} {
		if err := set.Text(v, v); err != nil {
			return err
		}
	}
	searched := 0
	for _, p := range d.running {
		select {
		case <-p.done:
			continue
		default:
		}
		if strings.HasPrefix(p.name, "agent-") && d.airline(strings.TrimPrefix(p.name, "agent-")) != nil {
			continue
		}
		hits, err := set.Memory(p.cmd.Process.Pid)
		if err != nil {
			return fmt.Errorf("memory of %s: %w", p.name, err)
		}
		for _, h := range hits {
			d.memory = append(d.memory, p.name+": "+h.Name)
		}
		searched++
	}
	say("memory of %d processes (exchange, host, analysts) searched for owners' values: %d found", searched, len(d.memory))
	return nil
}

func (d *demo) writeSummary() error {
	b, err := json.MarshalIndent(map[string]any{
		"format": "cordon-demo/1", "airlines": d.airlines, "jobs": d.jobs, "memory_hits": d.memory,
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.out, "summary.json"), append(b, '\n'), 0o600)
}

// writeManifest lists every file with its digest, so that a change shows.
func writeManifest(out string) error {
	var lines []string
	err := filepath.WalkDir(out, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(out, path)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		lines = append(lines, rel+"\x00"+hex.EncodeToString(sum[:])+"  "+rel)
		return nil
	})
	if err != nil {
		return err
	}
	sort.Strings(lines)
	var b strings.Builder
	for _, l := range lines {
		_, line, _ := strings.Cut(l, "\x00")
		b.WriteString(line + "\n")
	}
	return os.WriteFile(filepath.Join(out, "MANIFEST.sha256"), []byte(b.String()), 0o600)
}
