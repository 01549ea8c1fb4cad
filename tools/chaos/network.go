package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
)

// network has each host and agent on a machine of its own, as far as the network goes: a namespace whose only link leads to a bridge, where the
// exchange is. Addresses are of 198.18.0.0/15, which is for tests of networks.
type network struct {
	id     string
	base   string // a /24, without its last number
	spaces []string
}

// errNoNetwork: this machine or user can't make network namespaces.
var errNoNetwork = errors.New("no network namespaces: needs root and ip(8)")

func newNetwork() (*network, error) {
	if os.Geteuid() != 0 {
		return nil, errNoNetwork
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return nil, errNoNetwork
	}
	n := &network{id: fmt.Sprintf("cx%05x", rand.Uint32N(1<<20)), base: fmt.Sprintf("198.%d.%d", 18+rand.IntN(2), rand.IntN(256))}
	if err := n.ip("link add %s type bridge", n.id); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoNetwork, err)
	}
	if err := errors.Join(n.ip("addr add %s/24 dev %s", n.gateway(), n.id), n.ip("link set %s up", n.id)); err != nil {
		n.remove()
		return nil, fmt.Errorf("%w: %w", errNoNetwork, err)
	}
	return n, nil
}

func (n *network) gateway() string { return n.base + ".1" }

func (n *network) ip(format string, args ...any) error {
	words := strings.Fields(fmt.Sprintf(format, args...))
	out, err := exec.Command("ip", words...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(words, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// space makes a namespace, and returns its name and what to put before a command that is to run in it.
func (n *network) space() (name string, within []string, err error) {
	k := len(n.spaces)
	name = fmt.Sprintf("%s-%d", n.id, k)
	out, in := n.link(name), "eth0"
	n.spaces = append(n.spaces, name)
	for _, line := range []string{
		"netns add " + name,
		fmt.Sprintf("link add %s type veth peer name %s netns %s", out, in, name),
		fmt.Sprintf("link set %s master %s up", out, n.id),
		fmt.Sprintf("-n %s addr add %s.%d/24 dev %s", name, n.base, 10+k, in),
		fmt.Sprintf("-n %s link set %s up", name, in),
		fmt.Sprintf("-n %s link set lo up", name),
	} {
		if err := n.ip("%s", line); err != nil {
			return "", nil, err
		}
	}
	return name, []string{"ip", "netns", "exec", name}, nil
}

// link is the bridge's end of a namespace's link.
func (n *network) link(name string) string { return "v" + strings.ReplaceAll(name, "-", "x") }

// cut takes a namespace off the network, or puts it back: nobody is told, packets get lost.
func (n *network) cut(name string, off bool) error {
	state := "up"
	if off {
		state = "down"
	}
	return n.ip("link set %s %s", n.link(name), state)
}

func (n *network) remove() {
	for _, s := range n.spaces {
		_ = n.ip("netns del %s", s) // its link goes with it
	}
	_ = n.ip("link del %s", n.id)
}
