package ledger

import (
	"slices"
	"testing"

	"github.com/cordon-exchange/cordon/statement"
)

const hourMS = dayMS / 24

// chargedAt is the charge of a job under contract c that reads offer o: at an hour of 1970, until another (0: of an older version).
func chargedAt(job string, hour, untilHour int64, order string, flat, day bool) Entry {
	e := Entry{
		Kind: KindCharge, AtMS: hour * hourMS, UntilMS: untilHour * hourMS, Job: digest(job), Contract: digest("c"), Requester: owner, Charged: 5,
		Offers: []statement.Digest{digest("o")},
	}
	if order != "" {
		e.Order = digest(order)
	}
	if flat {
		e.Flat = e.Offers
	}
	if day {
		e.Day = e.Offers
	}
	return e
}

func releasedAt(job string, hour int64) Entry {
	return Entry{
		Kind: KindRelease, AtMS: hour * hourMS, Job: digest(job), Release: digest(job + " release"), Session: digest("s"), Plan: digest("p"), Evidence: digest(job + " evidence"),
		Ready: digest(job + " ready"), Grant: digest("g"), Number: 1, Charged: 5, Columns: []statement.Opening{{Offer: digest("o"), Columns: []string{"x"}}},
	}
}

func settledOrder(order string, amount int64) Entry {
	return Entry{Kind: KindSettle, AtMS: 1, Order: digest(order), About: digest(order + " settlement"), Contract: digest("c"), Settler: owner, Authority: statement.ByRule, Charged: amount, UntilMS: 99 * hourMS}
}

func endedOrder(order string) Entry {
	return Entry{Kind: KindOrderEnd, AtMS: 1, Order: digest(order), Reason: "cancelled"}
}

// TestPaid: what a charge has in it is paid while keys can still leave for its job, and for good once they have left; whatever
// happens, the job stays counted.
func TestPaid(t *testing.T) {
	for name, x := range map[string]struct {
		story     []Entry
		hour      int64
		flat, day bool
		room      int64 // of order a, of 12
	}{
		"nothing was charged":           {story: []Entry{}, hour: 2, room: 12},
		"charged, and under way":        {story: []Entry{chargedAt("j", 1, 3, "a", true, true)}, hour: 2, flat: true, day: true, room: 7},
		"charged, and its time is over": {story: []Entry{chargedAt("j", 1, 3, "a", true, true)}, hour: 3, room: 12},
		"charged, and its order ended":  {story: []Entry{chargedAt("j", 1, 3, "a", true, true), endedOrder("a")}, hour: 2},
		"released":                      {story: []Entry{chargedAt("j", 1, 3, "a", true, true), releasedAt("j", 2)}, hour: 20, flat: true, day: true, room: 7},
		"released, and its order ended": {story: []Entry{chargedAt("j", 1, 3, "a", true, true), releasedAt("j", 2), endedOrder("a")}, hour: 20, flat: true, day: true},
		"released, on another day":      {story: []Entry{chargedAt("j", 1, 3, "a", true, true), releasedAt("j", 2)}, hour: 25, flat: true, room: 7},
		"without the day in it":         {story: []Entry{chargedAt("j", 1, 3, "a", true, false), releasedAt("j", 2)}, hour: 20, flat: true, room: 7},
		"without the contract in it":    {story: []Entry{chargedAt("j", 1, 3, "a", false, true), releasedAt("j", 2)}, hour: 20, day: true, room: 7},
		"another paid, after one that lapsed": {
			story: []Entry{chargedAt("j", 1, 3, "a", true, true), chargedAt("k", 4, 6, "a", true, true), releasedAt("k", 4)}, hour: 20, flat: true, day: true, room: 7,
		},
		"one rode free on one that lapsed": {story: []Entry{chargedAt("j", 1, 3, "a", true, true), chargedAt("k", 2, 4, "a", false, false), releasedAt("k", 2)}, hour: 20, room: 7},
		// Entries of older versions: the first paid, and never lapses by itself.
		"older, under way":        {story: []Entry{chargedAt("j", 1, 0, "a", false, false)}, hour: 20, flat: true, day: true, room: 7},
		"older, without an order": {story: []Entry{chargedAt("j", 1, 0, "", false, false)}, hour: 20, flat: true, day: true, room: 12},
		"older, its order ended":  {story: []Entry{chargedAt("j", 1, 0, "a", false, false), chargedAt("k", 2, 0, "a", false, false), releasedAt("k", 2), endedOrder("a")}, hour: 20},
		"older, a second day":     {story: []Entry{chargedAt("j", 1, 0, "a", false, false), releasedAt("j", 1), chargedAt("k", 25, 0, "a", false, false), releasedAt("k", 25)}, hour: 26, flat: true, day: true, room: 2},
		"older, then today's":     {story: []Entry{chargedAt("j", 1, 0, "a", false, false), releasedAt("j", 1), chargedAt("k", 25, 27, "a", false, false), releasedAt("k", 25)}, hour: 26, flat: true, room: 2},
		"after a repair no room":  {story: []Entry{chargedAt("j", 1, 3, "a", true, true), {Kind: KindRepair, AtMS: 1, About: digest("r")}}, hour: 4, room: 0},
	} {
		t.Run(name, func(t *testing.T) {
			a := fold(append([]Entry{settledOrder("a", 12)}, x.story...))
			flat, day := a.Paid(digest("c"), digest("o"), x.hour*hourMS)
			if flat != x.flat || day != x.day {
				t.Errorf("paid %t and %t, want %t and %t", flat, day, x.flat, x.day)
			}
			jobs := 0
			for _, e := range x.story {
				if e.Kind == KindCharge {
					jobs++
				}
			}
			if n := a.Used(digest("c"), digest("o")); n != int64(jobs) {
				t.Errorf("%d jobs counted of %d", n, jobs)
			}
			at := x.hour * hourMS
			if x.room > 0 && a.Payer(digest("c"), x.room, at) != digest("a") || a.Payer(digest("c"), x.room+1, at) != "" {
				t.Errorf("the order has other room than %d", x.room)
			}
		})
	}
}

// TestRoomGivenAway: where a clock was put back, a job whose room another has taken gets no keys.
func TestRoomGivenAway(t *testing.T) {
	a := fold([]Entry{settledOrder("a", 5), chargedAt("j", 1, 3, "a", true, true), chargedAt("k", 4, 6, "a", true, true)})
	if a.MayBill(digest("j"), 2*hourMS) || !a.MayBill(digest("k"), 4*hourMS) {
		t.Fatal("both are billed to an order with room for one")
	}
	if j := a.Job(digest("j")); !j.Lapsed(3*hourMS) || j.Lapsed(2*hourMS) {
		t.Fatal("the first job lapses at another time")
	}
}

// TestFeesOfACharge: each is of an offer that the charge is for, once, in an entry that says when it lapses.
func TestFeesOfACharge(t *testing.T) {
	for name, x := range map[string]struct {
		change func(*Entry)
		ok     bool
	}{
		"good":                     {func(*Entry) {}, true},
		"none":                     {func(e *Entry) { e.Flat, e.Day = nil, nil }, true},
		"for the contract, twice":  {func(e *Entry) { e.Flat = slices.Repeat(e.Flat, 2) }, false},
		"for the day, of another":  {func(e *Entry) { e.Day = []statement.Digest{digest("other")} }, false},
		"without an end":           {func(e *Entry) { e.UntilMS = 0 }, false},
		"with an end before times": {func(e *Entry) { e.UntilMS, e.Flat, e.Day = -1, nil, nil }, false},
	} {
		e := chargedAt("j", 1, 3, "a", true, true)
		e.Seq, e.Previous = 1, digest("p")
		x.change(&e)
		if err := e.valid(); (err == nil) != x.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
