package perimeter

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
)

// helperCommand makes the test program act as another host: as another user, in a narrower machine, or to be killed.
const helperCommand = "__helper"

// helperReport is what a helper prints, as JSON, to its standard output.
type helperReport struct {
	Form    Form
	Refused map[string]string // form -> what is missing
	Pid     int
	Keeper  int // holds the channel open
	Error   string
}

func helperMain(args []string) int {
	var r helperReport
	ctx := context.Background()
	switch args[0] {
	case "strongest":
		r = helperStrongest(ctx)
	case "start": // with the image as descriptor 3; stays until killed
		r = helperStart(ctx)
	}
	_ = json.NewEncoder(os.Stdout).Encode(r)
	if args[0] == "start" && r.Error == "" {
		select {}
	}
	return 0
}

func helperStrongest(ctx context.Context) helperReport {
	r := helperReport{Refused: map[string]string{}}
	for _, n := range Names() {
		_, err := Check(ctx, Options{Request: Request{Name: n, AllowSwap: true}, Limits: testLimits()})
		if m, ok := err.(*MissingError); ok {
			r.Refused[string(n)] = m.What
		} else if err != nil {
			r.Refused[string(n)] = "unexpected: " + err.Error()
		}
	}
	f, err := Strongest(ctx)
	if err != nil {
		r.Error = err.Error()
	}
	r.Form = f
	return r
}

func helperStart(ctx context.Context) helperReport {
	img, err := LoadImage("/proc/self/fd/3")
	if err != nil {
		return helperReport{Error: err.Error()}
	}
	f, err := Strongest(ctx)
	if err != nil {
		return helperReport{Error: err.Error()}
	}
	e, err := Start(ctx, Options{Image: img, Request: f.Request(), Limits: testLimits()})
	if err != nil {
		return helperReport{Error: err.Error()}
	}
	// The first bytes come only after the enclave's own checks have passed.
	b := make([]byte, 24)
	if _, err := e.Conn().Read(b); err != nil || string(b[:3]) != "PRI" {
		return helperReport{Error: fmt.Sprintf("no HTTP/2 preface: %v %q", err, b)}
	}
	keeper, err := keepOpen(e)
	if err != nil {
		return helperReport{Error: err.Error()}
	}
	return helperReport{Form: e.Form(), Pid: e.Pid(), Keeper: keeper}
}

// keepOpen starts a process that holds the host's end of the channel, so that the enclave can't tell from the channel
// that its host has died.
func keepOpen(e *Enclave) (int, error) {
	end, err := e.Conn().(*net.UnixConn).File()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command("sleep", "600")
	cmd.ExtraFiles = []*os.File{end}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	return cmd.Process.Pid, nil
}
