package e2e

import (
	"encoding/binary"
	"errors"
	"net"
	"net/url"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordon-exchange/cordon/internal/canary"
)

// maxCaptured bounds what is kept of the traffic, in bytes. More of it fails the test: it would prove nothing.
const maxCaptured = 256 << 20

// capture keeps what TCP carries over loopback from and to the watched ports.
type capture struct {
	fd   int
	stop chan struct{}
	done chan struct{}

	mu    sync.Mutex
	ports map[uint16]bool
	flows map[flowKey]*flow
	bytes int
	err   error
}

type flowKey [12]byte // addresses and ports, of one direction

// flow is one direction of a connection: payloads one behind the other, so that values across segments are found.
type flow struct {
	next uint32 // sequence number expected
	data []byte
}

var errCaptured = errors.New("more traffic than the test looks at")

// startCapture needs root, or CAP_NET_RAW. Without it there is no capture, and the searches of traffic are skipped by name.
func startCapture(t *testing.T) *capture {
	t.Helper()
	c := &capture{stop: make(chan struct{}), done: make(chan struct{}), ports: map[uint16]bool{}, flows: map[flowKey]*flow{}}
	all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	var err error
	if c.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(all)); err != nil {
		return nil
	}
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		unix.Bind(c.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: lo.Index}),
		unix.SetsockoptTimeval(c.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100_000}),
		unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20),
	} {
		if err != nil {
			t.Fatalf("capture: %v", err)
		}
	}
	go c.loop()
	t.Cleanup(func() {
		close(c.stop)
		<-c.done
		unix.Close(c.fd)
	})
	return c
}

func (c *capture) watch(t *testing.T, urls ...string) {
	t.Helper()
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range urls {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		port, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil {
			t.Fatal(err)
		}
		c.ports[uint16(port)] = true
	}
}

func (c *capture) loop() {
	defer close(c.done)
	buf := make([]byte, 1<<18)
	for {
		select {
		case <-c.stop:
			return
		default:
		}
		n, from, err := unix.Recvfrom(c.fd, buf, 0)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			c.fail(err)
			return
		}
		// Loopback shows every packet on its way out and on its way in.
		if l, ok := from.(*unix.SockaddrLinklayer); ok && l.Pkttype != unix.PACKET_OUTGOING {
			c.packet(buf[:n])
		}
	}
}

func (c *capture) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

const ethernetHeader = 14

// packet takes an Ethernet frame with TCP over IPv4 apart, and ignores any other.
func (c *capture) packet(b []byte) {
	if len(b) < ethernetHeader+40 || binary.BigEndian.Uint16(b[12:]) != unix.ETH_P_IP {
		return
	}
	ip := b[ethernetHeader:]
	head, size := int(ip[0]&15)*4, int(binary.BigEndian.Uint16(ip[2:]))
	if ip[9] != unix.IPPROTO_TCP || size > len(ip) || size < head+20 {
		return
	}
	tcp := ip[head:size]
	offset := int(tcp[12]>>4) * 4
	if offset < 20 || offset > len(tcp) {
		return
	}
	var key flowKey
	copy(key[:8], ip[12:20])
	copy(key[8:], tcp[:4])
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ports[binary.BigEndian.Uint16(tcp)] && !c.ports[binary.BigEndian.Uint16(tcp[2:])] {
		return
	}
	const syn = 2
	c.segment(key, binary.BigEndian.Uint32(tcp[4:]), tcp[13]&syn != 0, tcp[offset:])
}

// segment adds what is new of a segment to its flow.
func (c *capture) segment(key flowKey, seq uint32, syn bool, payload []byte) {
	f := c.flows[key]
	if f == nil || syn {
		f = &flow{next: seq, data: flowData(f)}
		c.flows[key] = f
	}
	if syn {
		f.next = seq + 1
		return
	}
	if old := int32(f.next - seq); old > 0 { // sent again, or a keep-alive
		payload = payload[min(int(old), len(payload)):]
		seq = f.next
	}
	if len(payload) == 0 {
		return
	}
	f.next = seq + uint32(len(payload))
	if c.bytes += len(payload); c.bytes > maxCaptured {
		c.err = errCaptured
		return
	}
	f.data = append(f.data, payload...)
}

// flowData of an earlier connection between the same ports is kept.
func flowData(f *flow) []byte {
	if f == nil {
		return nil
	}
	return f.data
}

// search looks through all that was captured so far, and says how much that is.
func (c *capture) search(set *canary.Set) (hits []canary.Hit, n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stats, err := unix.GetsockoptTpacketStats(c.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err == nil && stats.Drops > 0 {
		err = errors.New("the kernel dropped packets before the test saw them")
	}
	for _, f := range c.flows {
		hits = append(hits, set.Bytes(f.data)...)
	}
	return hits, c.bytes, errors.Join(err, c.err)
}
