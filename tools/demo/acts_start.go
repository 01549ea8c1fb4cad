package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"
)

// exchangeReady is the exchange's ready line.
type exchangeReady struct {
	URL string `json:"url"`
}

// partyReady is the ready line of an agent and the answer of party init.
type partyReady struct {
	Fingerprint string `json:"fingerprint"`
}

// hostReady is the host's ready line.
type hostReady struct {
	Operator string `json:"operator"`
	Build    string `json:"build"`
	Form     string `json:"form"`
	Evidence string `json:"evidence"`
}

const (
	instituteName = "safety_institute"
	outsiderName  = "curious_analyst"
	operatorName  = "cloud_operator"
	purpose       = "safety-benchmarking"
)

func (d *demo) startAll(ctx context.Context) error {
	var err error
	if d.airlines, err = splitCSV(d.csv, filepath.Join(d.out, "premises")); err != nil {
		return err
	}
	var key struct{ Settler string }
	if err := d.cordonJSON(ctx, &key, "exchange", "settler", "--home", filepath.Join(d.out, "exchange")); err != nil {
		return err
	}
	d.settler = key.Settler
	if _, err = d.start(ctx, "exchange", &d.exchange, d.cordonBin, "exchange", "serve",
		"--home", filepath.Join(d.out, "exchange"), "--listen", "127.0.0.1:0", "--json"); err != nil {
		return err
	}
	if d.front, err = d.startFront(); err != nil {
		return err
	}
	if err := d.each(func(a *airline) (err error) {
		a.Fingerprint, err = d.startParty(ctx, a.Name, "--join-pools", "strikes,times")
		return err
	}); err != nil {
		return err
	}
	for _, p := range []*analyst{&d.institute, &d.outsider} {
		p.name = map[*analyst]string{&d.institute: instituteName, &d.outsider: outsiderName}[p]
		if p.fingerprint, err = d.startParty(ctx, p.name); err != nil {
			return err
		}
	}
	if d.operator, err = d.initParty(ctx, operatorName); err != nil {
		return err
	}
	if err := d.startHost(ctx); err != nil {
		return err
	}
	say("exchange at %s; %d airlines, %s, %s, each with an agent that only calls out", d.exchange.URL, len(d.airlines), instituteName, outsiderName)
	say("host of %s: perimeter form %q, %s", operatorName, d.form, d.rests())
	say("enclave build %s", d.build)
	return d.writePins()
}

func (d *demo) startHost(ctx context.Context) (err error) {
	var ready hostReady
	perimeter := []string{"--enclave", d.enclaveBin, "--perimeter", "strongest"}
	if d.image != "" {
		perimeter = []string{"--image", d.image, "--perimeter", "vm"}
	}
	d.host, err = d.start(ctx, "host", &ready, d.cordonBin, append([]string{"host", "serve", "--home", d.home(operatorName),
		"--exchange", d.exchange.URL, "--passphrase-file", d.passphrase(operatorName), "--json"}, perimeter...)...)
	d.build, d.form, d.kind = ready.Build, ready.Form, ready.Evidence
	return err
}

func (d *demo) passphrase(party string) string {
	return filepath.Join(d.out, "premises", party, "passphrase")
}

func (d *demo) initParty(ctx context.Context, name string) (string, error) {
	if err := os.MkdirAll(filepath.Join(d.out, "premises", name), 0o700); err != nil {
		return "", err
	}
	var made partyReady
	err := d.cordonJSON(ctx, &made, "party", "init", "--home", d.home(name), "--name", name, "--generate-passphrase", d.passphrase(name))
	return made.Fingerprint, err
}

// startParty makes a party's keys and starts its agent.
func (d *demo) startParty(ctx context.Context, name string, more ...string) (string, error) {
	fp, err := d.initParty(ctx, name)
	if err != nil {
		return "", err
	}
	exchange := d.exchange.URL
	if name == victim {
		exchange = d.front.url
	}
	args := append([]string{"party", "serve", "--home", d.home(name), "--exchange", exchange,
		"--passphrase-file", d.passphrase(name), "--json"}, more...)
	var ready partyReady
	_, err = d.start(ctx, "agent-"+name, &ready, d.cordonBin, args...)
	return fp, err
}

// writePins writes what every verifier needs beside a bundle.
func (d *demo) writePins() error {
	var b strings.Builder
	for _, a := range d.airlines {
		fmt.Fprintf(&b, "%s %s\n", a.Fingerprint, a.Name)
	}
	fmt.Fprintf(&b, "%s %s\n%s %s\n%s %s\n", d.institute.fingerprint, d.institute.name, d.outsider.fingerprint, outsiderName, d.operator, operatorName)
	return os.WriteFile(filepath.Join(d.out, "pins.txt"), []byte(b.String()), 0o600)
}

// policyValues fill examples/birdstrikes/*.yaml.tmpl.
type policyValues struct {
	Airlines, Analysts                   []string
	Outsider                             string // may ask, but no standing rule grants it
	Operator, Build, Evidence, Perimeter string
	From, Until                          string
}

// writePolicies fills in the airlines' policies. All airlines use the same ones;
// each recognises the 18 fingerprints that it got from the others.
func (d *demo) writePolicies() error {
	v := policyValues{Operator: d.operator, Build: d.build, Evidence: d.kind, Perimeter: d.form, Outsider: d.outsider.fingerprint, Analysts: []string{d.institute.fingerprint}}
	for _, a := range d.airlines {
		v.Airlines = append(v.Airlines, a.Fingerprint)
	}
	v.Analysts = append(v.Analysts, d.airline("american_airlines").Fingerprint)
	now := time.Now().UTC()
	v.From, v.Until = now.AddDate(0, 0, -1).Format(time.DateOnly), now.AddDate(1, 0, 0).Format(time.DateOnly)
	for _, name := range []string{"policy", "policy-times"} {
		t, err := template.New(name + ".yaml.tmpl").Funcs(template.FuncMap{"join": strings.Join}).
			ParseFiles(filepath.Join(filepath.Dir(d.csv), name+".yaml.tmpl"))
		if err != nil {
			return err
		}
		f, err := os.Create(d.policy(name))
		if err != nil {
			return err
		}
		if err := t.Execute(f, v); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) policy(name string) string { return filepath.Join(d.out, "policies", name+".yaml") }

func (d *demo) airline(name string) *airline {
	for _, a := range d.airlines {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// columns of the CSV under the names that queries use.
var columns = []string{
	"Airport Name=airport", "Aircraft Make Model=aircraft", "Effect Amount of damage=damage", "Flight Date=flight_date",
	"Origin State=state", "Phase of flight=phase", "Wildlife Size=size", "Wildlife Species=species",
	"Time of day=time_of_day", "Cost Total $=cost_total",
}

func (d *demo) publish(ctx context.Context) error {
	if err := d.writePolicies(); err != nil {
		return err
	}
	began, rows := time.Now(), 0
	if err := d.each(func(a *airline) error {
		for dataset, policy := range map[string]string{"strikes": "policy", "times": "policy-times"} {
			args := []string{"dataset", "publish", a.csvPath(filepath.Join(d.out, "premises")), "--home", d.home(a.Name),
				"--name", dataset, "--policy", d.policy(policy), "--row-id", "report_id",
				"--schema", "phase:varchar!,size:varchar!,time_of_day:varchar!,cost_total:int64!"}
			for _, c := range columns {
				args = append(args, "--column", c)
			}
			var offer json.RawMessage
			if err := d.cordonJSON(ctx, &offer, args...); err != nil {
				return err
			}
		}
		say("%-24s %5d reports sealed twice, a fresh key for every column", a.Name, len(a.rows))
		return nil
	}); err != nil {
		return err
	}
	for _, a := range d.airlines {
		rows += len(a.rows)
	}
	say("%d reports of %d airlines in %s", rows, len(d.airlines), time.Since(began).Round(time.Millisecond))
	for _, pool := range []string{"strikes", "times"} {
		if err := d.formPool(ctx, pool); err != nil {
			return err
		}
	}
	return d.lakeIsSealed(ctx)
}

// formPool: one airline proposes the epoch, all agents sign it.
func (d *demo) formPool(ctx context.Context, name string) error {
	first := d.home(d.airlines[0].Name)
	args := []string{"pool", "propose", name, "--home", first}
	for _, a := range d.airlines {
		args = append(args, "--member", a.Name+"."+name, "--pin", a.Name+"="+a.Fingerprint)
	}
	var proposed json.RawMessage
	if err := d.cordonJSON(ctx, &proposed, args...); err != nil {
		return err
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var seen struct {
			Pools []struct {
				Missing []json.RawMessage `json:"missing"`
			} `json:"pools"`
		}
		if err := d.cordonJSON(ctx, &seen, "pool", "show", name, "--home", first); err != nil {
			return err
		}
		if len(seen.Pools) == 1 && len(seen.Pools[0].Missing) == 0 {
			say("pool.%s: epoch 1, signed by all %d members", name, len(d.airlines))
			return nil
		}
	}
	return fmt.Errorf("not all members signed pool.%s", name)
}
