package stripe

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The event and its header are those that Stripe tests its .NET library with (EventUtilityTest): v0 is of a scheme that counts for nothing.
const (
	recordedSecret = "webhook_secret"
	recordedAt     = 1533204620 // seconds since 1970
	recordedHeader = "t=1533204620,v1=f0bdba6d4eacbd8ad8a3bbadd7248e633ec1477f7899c124c51b39405fa36613,v0=63f3a72374a733066c4be69ed7f8e5ac85c22c9f0a6a612ab9a025a9e4ee7eef"
)

// TestRecorded: a recorded signature is good for what was signed, near its time, under its secret, and for nothing else.
func TestRecorded(t *testing.T) {
	payload, err := os.ReadFile("testdata/recorded-event.json")
	if err != nil {
		t.Fatal(err)
	}
	_, v1, _ := strings.Cut(recordedHeader, "v1=")
	v1, v0, _ := strings.Cut(v1, ",v0=")
	for name, x := range map[string]struct {
		header, secret string
		payload        string
		late           time.Duration
		want           error
	}{
		"as recorded":             {recordedHeader, recordedSecret, string(payload), 0, nil},
		"five minutes later":      {recordedHeader, recordedSecret, string(payload), 5 * time.Minute, nil},
		"after that":              {recordedHeader, recordedSecret, string(payload), 5*time.Minute + time.Second, ErrSignature},
		"another secret":          {recordedHeader, "webhook_secre", string(payload), 0, ErrSignature},
		"another time":            {strings.Replace(recordedHeader, "620", "621", 1), recordedSecret, string(payload), 0, ErrSignature},
		"another amount":          {recordedHeader, recordedSecret, strings.Replace(string(payload), "1000", "1001", 1), 0, ErrSignature},
		"without its last byte":   {recordedHeader, recordedSecret, strings.TrimSuffix(string(payload), "\n"), 0, ErrSignature},
		"two signatures, one bad": {"t=1533204620,v1=" + v0 + ",v1=" + v1, recordedSecret, string(payload), 0, nil},
		"the other scheme alone":  {"t=1533204620,v0=" + v0, recordedSecret, string(payload), 0, ErrSignature},
		"its scheme mistaken":     {"t=1533204620,v0=" + v1, recordedSecret, string(payload), 0, ErrSignature},
		"no time":                 {"v1=" + v1, recordedSecret, string(payload), 0, ErrSignature},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(time.Unix(recordedAt, 0)) + x.late)
				a, err := New(Options{Key: "sk_test_1", Secret: x.secret, Currency: "eur", Unit: 1, Return: "https://x.example", Scope: "x"})
				if err != nil {
					t.Fatal(err)
				}
				if session, err := a.Event([]byte(x.payload), x.header); !errors.Is(err, x.want) || session != "" {
					t.Fatalf("%q, %v, want %v", session, err, x.want)
				}
			})
		})
	}
}
