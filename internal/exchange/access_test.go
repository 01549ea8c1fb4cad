package exchange_test

import (
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// TestOthers lets parties reach for what is not theirs.
func TestOthers(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	grant, err := w.a.PostStatement(ctx, sign(w.env, w.grantOf(w.a, 0), w.a))
	w.ok(err)
	job := w.submit()
	c := w.claim()
	w.ok(w.host.PutArtifact(ctx, job, c.Lease, "result", []byte("r")))
	secondHost := w.party("second")
	msg := func(to *party) []wire.Outgoing {
		return []wire.Outgoing{{To: to.fp, Kind: wire.KindHello, Body: []byte("x")}}
	}
	answer := wire.Answer{Attempt: 1, Kind: "reply", Body: []byte("x"), Ref: 1}
	path := client.ObjectPath(w.a.fp, "strikes", "v1", "new.parquet")
	stale := strings.Repeat("0", 32)
	for name, tc := range map[string]struct {
		err  error
		code string
	}{
		"another's object":              {w.b.put(path, "x"), wire.CodeForbidden},
		"removing another's object":     {w.b.DeleteObject(ctx, path), wire.CodeForbidden},
		"contract of others":            {second(w.other.Statement(ctx, w.contract)), wire.CodeNotFound},
		"grant of others":               {second(w.other.Statement(ctx, grant)), wire.CodeNotFound},
		"job of others":                 {second(w.other.Job(ctx, job)), wire.CodeNotFound},
		"job of others, waiting":        {second(w.other.WaitJob(ctx, job, 99, 1000)), wire.CodeNotFound},
		"envelope of another's job":     {second(w.other.JobEnvelope(ctx, job)), wire.CodeNotFound},
		"reply to another's job":        {w.other.Reply(ctx, job, answer), wire.CodeNotFound},
		"reply by the host":             {w.host.Reply(ctx, job, answer), wire.CodeNotFound},
		"notice about another's job":    {w.other.SendNotice(ctx, w.a.fp, wire.Notice{Job: job, Body: []byte("x")}), wire.CodeNotFound},
		"notice to a stranger":          {w.a.SendNotice(ctx, w.other.fp, wire.Notice{Job: job, Body: []byte("x")}), wire.CodeForbidden},
		"claim by who is no operator":   {second(w.other.Claim(ctx, []string{"small"}, 0, nil)), ""},
		"lease of another's job":        {w.other.Renew(ctx, job, c.Lease), wire.CodeNotFound},
		"lease by an owner":             {w.a.Renew(ctx, job, c.Lease), wire.CodeNotFound},
		"lease by another host":         {secondHost.Renew(ctx, job, c.Lease), wire.CodeNotFound},
		"guessed lease":                 {w.host.Renew(ctx, job, stale), wire.CodeLeaseLost},
		"message without a lease":       {w.host.SendMessages(ctx, job, stale, msg(w.a)), wire.CodeLeaseLost},
		"message by an owner":           {w.a.SendMessages(ctx, job, c.Lease, msg(w.b)), wire.CodeNotFound},
		"message to a stranger":         {w.host.SendMessages(ctx, job, c.Lease, msg(w.other)), wire.CodeForbidden},
		"message to the host":           {w.host.SendMessages(ctx, job, c.Lease, msg(w.host)), wire.CodeForbidden},
		"replies without a lease":       {second(w.host.Replies(ctx, job, stale, wire.Await{})), wire.CodeLeaseLost},
		"replies by the requester":      {second(w.asker.Replies(ctx, job, c.Lease, wire.Await{})), wire.CodeNotFound},
		"stage without a lease":         {w.host.ReportStage(ctx, job, stale, "x"), wire.CodeLeaseLost},
		"artifact without a lease":      {w.host.PutArtifact(ctx, job, stale, "result", []byte("x")), wire.CodeLeaseLost},
		"artifact by the requester":     {w.asker.PutArtifact(ctx, job, c.Lease, "result", []byte("x")), wire.CodeNotFound},
		"artifact for a stranger":       {w.host.PutArtifact(ctx, job, c.Lease, "key-"+string(w.other.fp), []byte("x")), wire.CodeForbidden},
		"artifact of other bytes":       {w.host.PutArtifact(ctx, job, c.Lease, "result", []byte("x")), wire.CodeArtifactExists},
		"finish without a lease":        {w.host.Finish(ctx, job, wire.Finish{Lease: stale, State: wire.StateDone}), wire.CodeLeaseLost},
		"last artifact for a stranger":  {w.host.Finish(ctx, job, wire.Finish{Lease: c.Lease, State: wire.StateDone, Artifacts: []wire.NewArtifact{{Name: "key-" + string(w.other.fp), Body: []byte("x")}}}), wire.CodeForbidden},
		"last artifact of other bytes":  {w.host.Finish(ctx, job, wire.Finish{Lease: c.Lease, State: wire.StateDone, Artifacts: []wire.NewArtifact{{Name: "result", Body: []byte("x")}}}), wire.CodeArtifactExists},
		"last artifact by the asker":    {w.asker.Finish(ctx, job, wire.Finish{Lease: c.Lease, State: wire.StateDone, Artifacts: []wire.NewArtifact{{Name: "receipt", Body: []byte("x")}}}), wire.CodeNotFound},
		"finish by the requester":       {w.asker.Finish(ctx, job, wire.Finish{Lease: c.Lease, State: wire.StateDone}), wire.CodeNotFound},
		"status of a job that is not":   {second(w.a.Job(ctx, statement.Sum([]byte("x")))), wire.CodeNotFound},
		"statement that is not":         {second(w.a.Statement(ctx, statement.Sum([]byte("x")))), wire.CodeNotFound},
		"artifact before the job's end": {second(w.asker.Artifact(ctx, job, "result")), wire.CodeNotFound},
	} {
		if tc.code == "" && tc.err == client.ErrNoJob {
			continue
		}
		if !client.HasCode(tc.err, tc.code) {
			t.Errorf("%s: got %v, want %s", name, tc.err, tc.code)
		}
	}
	w.ok(w.host.PutArtifact(ctx, job, c.Lease, "key-"+string(w.asker.fp), []byte("k")))
	w.ok(w.host.Finish(ctx, job, wire.Finish{Lease: c.Lease, State: wire.StateDone}))
	for name, err := range map[string]error{
		"result by an owner":       second(w.a.Artifact(ctx, job, "result")),
		"result by the host":       second(w.host.Artifact(ctx, job, "result")),
		"result by a stranger":     second(w.other.Artifact(ctx, job, "result")),
		"another's key":            second(w.a.Artifact(ctx, job, "key-"+string(w.asker.fp))),
		"artifact that is not":     second(w.asker.Artifact(ctx, job, "receipt")),
		"artifact of another name": second(w.asker.Artifact(ctx, job, "other")),
	} {
		w.code(err, wire.CodeNotFound)
		_ = name
	}
	for kind, want := range map[string]int{client.Contracts: 0, client.Grants: 0, client.Offers: 2, client.Pools: 1, client.Parties: 6} {
		list, err := w.other.AllStatements(ctx, client.Query{Kind: kind})
		w.ok(err)
		if len(list) != want {
			t.Errorf("a stranger sees %d of kind %s, want %d", len(list), kind, want)
		}
	}
	if got := w.other.kinds(); got != "" {
		t.Errorf("a stranger's mailbox: %s", got)
	}
}

func second[T any](_ T, err error) error { return err }

func (w *world) grantOf(p *party, member int) statement.Grant {
	return statement.Grant{Owner: p.fp, Contract: w.contract, Offers: []statement.Digest{w.members[member].Offer},
		Authority: statement.ByHand, UntilMS: 1 << 50, CreatedMS: 1}
}

// TestStatementRefusals posts statements with one thing wrong each.
func TestStatementRefusals(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	stranger := w.stranger("nobody")
	post := func(p *party, e *statement.Envelope) error { return second(p.PostStatement(ctx, e)) }
	path, size := w.a.object("more.parquet", "more")
	offer := func(change func(*statement.Offer)) *statement.Envelope {
		o := w.a.offerOf(path, size)
		change(&o)
		return sign(w.env, o, w.a)
	}
	contract := func(change func(*statement.Contract)) *statement.Envelope {
		c := w.contractOf()
		change(&c)
		return sign(w.env, c, w.asker)
	}
	job := func(change func(*statement.Job)) *statement.Envelope {
		j := w.jobOf()
		change(&j)
		return sign(w.env, j, w.asker)
	}
	submit := func(p *party, e *statement.Envelope) error { return second(p.SubmitJob(ctx, e)) }
	unsigned := func(e *statement.Envelope) *statement.Envelope {
		return &statement.Envelope{PayloadType: e.PayloadType, Payload: e.Payload, Signatures: []statement.Signature{}}
	}
	nobody := statement.Sum([]byte("nothing"))
	same := *w.asker
	same.name = "another"
	for name, tc := range map[string]struct {
		err  error
		code string
	}{
		"party by another":              {post(w.a, stranger.introduction(1)), wire.CodeForbidden},
		"party of a taken name":         {post(stranger, (&party{e: w.env, name: "alpha", keys: stranger.keys}).introduction(1)), wire.CodeNameTaken},
		"party under a second name":     {post(w.asker, same.introduction(2)), wire.CodeNameFixed},
		"party older than the present":  {post(w.asker, sign(w.env, statement.Party{Name: "institute", Key: w.asker.keys.Public().String(), Box: bytes1216(1), CreatedMS: 1}, w.asker)), wire.CodeOutdated},
		"party signed by another":       {post(stranger, sign(w.env, statement.Party{Name: "nobody", Key: stranger.keys.Public().String(), Box: bytes1216(0), CreatedMS: 1}, w.a)), wire.CodeSignature},
		"offer by a stranger":           {post(stranger, offer(func(*statement.Offer) {})), wire.CodeUnregistered},
		"offer by another":              {post(w.b, offer(func(*statement.Offer) {})), wire.CodeForbidden},
		"offer signed by another":       {post(w.a, sign(w.env, w.a.offerOf(path, size), w.b)), wire.CodeSignature},
		"offer not signed":              {post(w.a, unsigned(offer(func(*statement.Offer) {}))), wire.CodeStatement},
		"offer of a file of other size": {post(w.a, offer(func(o *statement.Offer) { o.Files[0].Bytes++ })), wire.CodeUnknownReference},
		"offer of a file that is not":   {post(w.a, offer(func(o *statement.Offer) { o.Files[0].Object = strings.Replace(path, "more", "none", 1) })), wire.CodeUnknownReference},
		"offer of another's file": {post(w.a, offer(func(o *statement.Offer) {
			o.Files[0].Object = client.ObjectPath(w.b.fp, "strikes", "v1", "part.parquet")
		})), wire.CodeForbidden},
		"offer of a file elsewhere":   {post(w.a, offer(func(o *statement.Offer) { o.Files[0].Object = "a/b" })), wire.CodeForbidden},
		"offer after nothing":         {post(w.a, offer(func(o *statement.Offer) { o.Replaces = nobody })), wire.CodeUnknownReference},
		"offer after another's":       {post(w.a, offer(func(o *statement.Offer) { o.Replaces = w.members[1].Offer })), wire.CodeUnknownReference},
		"contract by another":         {post(w.a, contract(func(*statement.Contract) {})), wire.CodeForbidden},
		"contract signed by another":  {post(w.asker, sign(w.env, w.contractOf(), w.a)), wire.CodeSignature},
		"contract signed by one more": {post(w.asker, sign(w.env, w.contractOf(), w.asker, w.a)), wire.CodeSignature},
		"contract on no offer": {post(w.asker, contract(func(c *statement.Contract) {
			c.Tables = []statement.Table{{Name: "alpha.strikes", Members: []statement.Member{{Owner: w.a.fp, Offer: nobody}}}}
		})), wire.CodeUnknownReference},
		"contract with another's offer": {post(w.asker, contract(func(c *statement.Contract) {
			c.Tables = []statement.Table{{Name: "alpha.strikes", Members: []statement.Member{{Owner: w.a.fp, Offer: w.members[1].Offer}}}}
		})), wire.CodeUnknownReference},
		"contract on no pool":              {post(w.asker, contract(func(c *statement.Contract) { c.Tables[0].Pool = nobody })), wire.CodeUnknownReference},
		"contract on a pool turned":        {post(w.asker, contract(func(c *statement.Contract) { c.Tables[0].Members = []statement.Member{w.members[1], w.members[0]} })), wire.CodeUnknownReference},
		"contract for a stranger":          {post(w.asker, contract(func(c *statement.Contract) { c.Recipients = append(c.Recipients, stranger.fp) })), wire.CodeUnknownReference},
		"grant by another":                 {post(w.b, sign(w.env, w.grantOf(w.a, 0), w.a)), wire.CodeForbidden},
		"grant signed by another":          {post(w.a, sign(w.env, w.grantOf(w.a, 0), w.b)), wire.CodeSignature},
		"grant of another's offer":         {post(w.a, sign(w.env, w.grantOf(w.a, 1), w.a)), wire.CodeUnknownReference},
		"grant of no contract":             {post(w.a, sign(w.env, statement.Grant{Owner: w.a.fp, Contract: nobody, Offers: []statement.Digest{w.members[0].Offer}, Authority: "rule", UntilMS: 9, CreatedMS: 1}, w.a)), wire.CodeUnknownReference},
		"grant of an offer as contract":    {post(w.a, sign(w.env, statement.Grant{Owner: w.a.fp, Contract: w.members[0].Offer, Offers: []statement.Digest{w.members[0].Offer}, Authority: "rule", UntilMS: 9, CreatedMS: 1}, w.a)), wire.CodeUnknownReference},
		"rejection by another":             {post(w.b, sign(w.env, w.rejectionOf(w.a), w.a)), wire.CodeForbidden},
		"rejection signed by another":      {post(w.a, sign(w.env, w.rejectionOf(w.a), w.b)), wire.CodeSignature},
		"rejection by the requester":       {post(w.asker, sign(w.env, w.rejectionOf(w.asker), w.asker)), wire.CodeUnknownReference},
		"rejection by a stranger":          {post(w.other, sign(w.env, w.rejectionOf(w.other), w.other)), wire.CodeUnknownReference},
		"rejection of no contract":         {post(w.a, sign(w.env, statement.Rejection{Owner: w.a.fp, Contract: nobody, Reason: "no", AtMS: 1}, w.a)), wire.CodeUnknownReference},
		"counter by another":               {post(w.b, sign(w.env, w.counterOf(w.a), w.a)), wire.CodeForbidden},
		"counter signed by another":        {post(w.a, sign(w.env, w.counterOf(w.a), w.b)), wire.CodeSignature},
		"counter by a stranger":            {post(w.other, sign(w.env, w.counterOf(w.other), w.other)), wire.CodeUnknownReference},
		"revocation of nothing":            {post(w.a, w.revocation(w.a, nobody)), wire.CodeUnknownReference},
		"revocation of another's":          {post(w.b, w.revocation(w.b, w.members[0].Offer)), wire.CodeForbidden},
		"revocation of what one can't see": {post(w.other, w.revocation(w.other, w.contract)), wire.CodeUnknownReference},
		"job as a statement":               {post(w.asker, job(func(*statement.Job) {})), wire.CodeStatement},
		"contract as a job":                {submit(w.asker, contract(func(*statement.Contract) {})), wire.CodeStatement},
		"job by another":                   {submit(w.a, job(func(*statement.Job) {})), wire.CodeForbidden},
		"job signed by another":            {submit(w.asker, sign(w.env, w.jobOf(), w.a)), wire.CodeSignature},
		"job not signed":                   {submit(w.asker, unsigned(job(func(*statement.Job) {}))), wire.CodeStatement},
		"job under no contract":            {submit(w.asker, job(func(j *statement.Job) { j.Contract = nobody })), wire.CodeUnknownReference},
		"job under another's contract":     {submit(w.a, sign(w.env, func() statement.Job { j := w.jobOf(); j.Requester = w.a.fp; j.Bodies = j.Bodies[:2]; return j }(), w.a)), wire.CodeUnknownReference},
		"job that has expired":             {submit(w.asker, job(func(j *statement.Job) { j.ExpiresMS = 2 })), wire.CodeExpired},
		"job of an odd class":              {submit(w.asker, job(func(j *statement.Job) { j.Class = "Small" })), wire.CodeStatement},
		"job for an owner not named": {submit(w.asker, job(func(j *statement.Job) {
			j.Owners = []statement.Fingerprint{w.other.fp}
			j.Bodies[0].To, j.Bodies[1].To = w.other.fp, w.asker.fp
			j.Bodies = j.Bodies[:2]
		})), wire.CodeStatement},
	} {
		if !client.HasCode(tc.err, tc.code) {
			t.Errorf("%s: got %v, want %s", name, tc.err, tc.code)
		}
	}
	w.ok(post(w.a, offer(func(*statement.Offer) {}))) // the one that all were bent from
	w.ok(post(w.asker, contract(func(*statement.Contract) {})))
	good := job(func(*statement.Job) {})
	w.ok(submit(w.asker, good))
	w.code(submit(w.asker, good), wire.CodeAlreadySubmitted)
	if got := w.a.kinds(); strings.Count(got, "job") != 1 {
		t.Errorf("a job submitted twice: %s", got)
	}
}

func bytes1216(b byte) []byte {
	out := make([]byte, 1216)
	out[0] = b
	return out
}

func (w *world) revocation(p *party, of statement.Digest) *statement.Envelope {
	w.Helper()
	return sign(w.env, statement.Revocation{Author: p.fp, Revokes: of, AtMS: 1}, p)
}

func TestPoolSigning(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for _, p := range []*party{w.a, w.b, w.asker, w.other} {
		p.empty()
	}
	next := w.poolOf(2, w.pool)
	byA, byB := sign(w.env, next, w.a), sign(w.env, next, w.b)
	d, err := w.a.PostStatement(ctx, byA)
	w.ok(err)
	if w.a.kinds()+"|"+w.b.kinds()+"|"+w.other.kinds() != "statement|statement|" {
		t.Fatalf("mailboxes: %s|%s|%s", w.a.kinds(), w.b.kinds(), w.other.kinds())
	}
	pools := func(p *party, pending bool) int {
		list, err := p.AllStatements(ctx, client.Query{Kind: client.Pools, Pending: pending, Name: "market"})
		w.ok(err)
		return len(list)
	}
	if pools(w.b, true) != 1 || pools(w.b, false) != 1 || pools(w.other, true) != 0 || pools(w.other, false) != 1 {
		t.Error("a pool that waits for signatures is listed wrongly")
	}
	_, err = w.other.Statement(ctx, d)
	w.code(err, wire.CodeNotFound)
	// Nobody can use it yet.
	c := w.contractOf()
	c.Tables[0].Pool = d
	_, err = w.asker.PostStatement(ctx, sign(w.env, c, w.asker))
	w.code(err, wire.CodeUnknownReference)
	foreign := sign(w.env, next, w.b, w.other)
	_, err = w.b.PostStatement(ctx, foreign)
	w.code(err, wire.CodeSignature)
	broken := sign(w.env, next, w.b)
	broken.Signatures[0].Sig[5] ^= 1
	_, err = w.b.PostStatement(ctx, broken)
	w.code(err, wire.CodeSignature)
	_, err = w.other.PostStatement(ctx, byB)
	w.code(err, wire.CodeForbidden)
	_, err = w.a.PostStatement(ctx, byA) // again: nothing new
	w.ok(err)
	for range 2 {
		_, err = w.b.PostStatement(ctx, byB)
		w.ok(err)
	}
	if got := w.a.kinds(); got != "statement,statement" {
		t.Errorf("mailbox after completion: %s", got)
	}
	env, err := w.other.Statement(ctx, d)
	w.ok(err)
	if _, err := statement.Verify[statement.Pool](env, w.a.fp, w.b.fp); err != nil {
		t.Errorf("complete pool: %v", err)
	}
	_, err = w.asker.PostStatement(ctx, sign(w.env, c, w.asker))
	w.ok(err)
	for name, p := range map[string]statement.Pool{
		"epoch that skips one":  w.poolOf(3, w.pool),
		"epoch after no pool":   w.poolOf(2, statement.Sum([]byte("x"))),
		"pool of unknown offer": {Name: "odd", Epoch: 1, CreatedMS: 1, Members: []statement.Member{w.members[0], {Owner: w.b.fp, Offer: statement.Sum([]byte("x"))}}},
	} {
		_, err := w.a.PostStatement(ctx, sign(w.env, p, w.a))
		if !client.HasCode(err, wire.CodeUnknownReference) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPoolSignedAtOnce merges signatures that arrive together.
func TestPoolSignedAtOnce(t *testing.T) {
	e := newEnv(t)
	var all []*party
	p := statement.Pool{Name: "market", Epoch: 1, CreatedMS: 1}
	for i := range 8 {
		m := e.party("member" + string(rune('a'+i)))
		all = append(all, m)
		p.Members = append(p.Members, statement.Member{Owner: m.fp, Offer: m.offer()})
	}
	done := make(chan error)
	for _, m := range all {
		env := sign(e, p, m)
		go func() { done <- second(m.PostStatement(t.Context(), env)) }()
	}
	for range all {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	list, err := all[0].Statements(t.Context(), client.Query{Kind: client.Pools})
	e.ok(err)
	if len(list.Items) != 1 || len(list.Items[0].Envelope.Signatures) != 8 {
		t.Fatalf("listed: %d", len(list.Items))
	}
}

func TestRevocations(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	g, err := w.a.PostStatement(ctx, sign(w.env, w.grantOf(w.a, 0), w.a))
	w.ok(err)
	job := w.submit()
	for _, p := range []*party{w.a, w.b, w.asker, w.host, w.other} {
		p.empty()
	}
	revoke := func(p *party, d statement.Digest) {
		t.Helper()
		_, err := p.PostStatement(ctx, w.revocation(p, d))
		w.ok(err)
	}
	told := func(what, want string) {
		t.Helper()
		got := ""
		for _, p := range []*party{w.a, w.b, w.asker, w.host, w.other} {
			if p.kinds() == "statement" {
				got += p.name + " "
			}
			p.empty()
		}
		if got != want {
			t.Errorf("revocation of %s: told %q, want %q", what, got, want)
		}
	}
	revoke(w.a, g)
	told("a grant", "alpha beta institute hoster ")
	revoke(w.asker, w.contract)
	told("a contract", "alpha beta institute hoster ")
	revoke(w.b, w.pool)
	told("a pool", "alpha beta institute hoster ")
	revoke(w.b, w.members[1].Offer)
	told("an offer", "alpha beta institute hoster ")
	list, err := w.b.AllStatements(ctx, client.Query{Kind: client.Revocations, About: []statement.Digest{g}})
	w.ok(err)
	if len(list) != 1 {
		t.Errorf("%d revocations of the grant", len(list))
	}
	for p, want := range map[*party]int{w.b: 4, w.other: 2} {
		for limit := range 3 { // however many fit onto a page
			list, err = p.AllStatements(ctx, client.Query{Kind: client.Revocations, About: []statement.Digest{g, w.contract, w.pool, w.members[1].Offer}, Limit: limit})
			w.ok(err)
			if len(list) != want {
				t.Errorf("%s sees %d of four revocations on pages of %d, want %d", p.name, len(list), limit, want)
			}
		}
	}
	list, err = w.other.AllStatements(ctx, client.Query{Kind: client.Revocations})
	w.ok(err)
	if len(list) != 2 { // of pool and offer; the others are not its to see
		t.Errorf("a stranger sees %d revocations", len(list))
	}
	c := w.claim()
	if c.Digest != job {
		t.Fatal("another job")
	}
	have := map[string]int{}
	for i := range c.Statements {
		uri, err := statement.PeekType(c.Statements[i].Payload)
		w.ok(err)
		have[uri]++
	}
	if have[statement.TypeRevocation] != 4 {
		t.Errorf("claim has %d revocations, want 4", have[statement.TypeRevocation])
	}
	revoke(w.other, w.other.in)
	for _, p := range []*party{w.a, w.b, w.asker, w.host} {
		if p.kinds() != "statement" {
			t.Errorf("%s was not told that a party ended", p.name)
		}
	}
	_, err = w.other.Mailbox(ctx, 0, 0)
	w.code(err, wire.CodeRevoked)
	_, err = w.other.PostStatement(ctx, w.other.introduction(9))
	w.code(err, wire.CodeRevoked)
}

// TestRecipient: who only receives the result sees the job, and has no word in it.
func TestRecipient(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	ct := w.contractOf()
	ct.Recipients = []statement.Fingerprint{w.other.fp}
	var err error
	w.contract, err = w.asker.PostStatement(ctx, sign(w.env, ct, w.asker))
	w.ok(err)
	job := w.submit()
	c := w.claim()
	if got := w.other.kinds(); got != "statement" { // the contract; the job is for brokers
		t.Errorf("recipient's mailbox: %s", got)
	}
	w.code(w.other.Reply(ctx, job, wire.Answer{Attempt: 1, Kind: "reply", Body: []byte("x"), Ref: 1}), wire.CodeForbidden)
	w.code(w.host.SendMessages(ctx, job, c.Lease, []wire.Outgoing{{To: w.other.fp, Kind: wire.KindHello, Body: []byte("x")}}), wire.CodeForbidden)
	w.ok(w.a.SendNotice(ctx, w.other.fp, wire.Notice{Job: job, Body: []byte("x")}))
	w.ok(w.host.PutArtifact(ctx, job, c.Lease, "result", []byte("r")))
	w.ok(w.host.PutArtifact(ctx, job, c.Lease, "key-"+string(w.other.fp), []byte("k")))
	w.ok(w.host.Finish(ctx, job, wire.Finish{Lease: c.Lease, State: wire.StateDone}))
	for _, name := range []string{"result", "key-" + string(w.other.fp)} {
		_, err := w.other.Artifact(ctx, job, name)
		w.ok(err)
	}
	_, err = w.asker.Artifact(ctx, job, "key-"+string(w.other.fp))
	w.code(err, wire.CodeNotFound)
}

func (w *world) rejectionOf(p *party) statement.Rejection {
	return statement.Rejection{Owner: p.fp, Contract: w.contract, Reason: "no", AtMS: 1}
}

func (w *world) counterOf(p *party) statement.Counter {
	return statement.Counter{Owner: p.fp, Contract: w.contract, Purpose: "another", CreatedMS: 1}
}

// TestAnswersAreBetweenTwo: what an owner says to a contract reaches its requester; the other owners, recipients and operators see none of it.
func TestAnswersAreBetweenTwo(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for kind, e := range map[string]*statement.Envelope{
		client.Rejections: sign(w.env, w.rejectionOf(w.a), w.a), client.Counters: sign(w.env, w.counterOf(w.a), w.a),
	} {
		before := strings.Count(w.asker.kinds(), "statement")
		w.ok(second(w.a.PostStatement(ctx, e)))
		if got := strings.Count(w.asker.kinds(), "statement"); got != before+1 {
			t.Errorf("%s: the requester's mailbox has %d statements, had %d", kind, got, before)
		}
		for name, c := range map[string]struct {
			by    *party
			shown int
		}{"owner": {w.a, 1}, "requester": {w.asker, 1}, "another owner": {w.b, 0}, "operator": {w.host, 0}, "stranger": {w.other, 0}} {
			list, err := c.by.AllStatements(ctx, client.Query{Kind: kind, About: []statement.Digest{w.contract}})
			w.ok(err)
			if len(list) != c.shown {
				t.Errorf("%s: %s sees %d, want %d", kind, name, len(list), c.shown)
			}
			_, err = c.by.Statement(ctx, e.Digest())
			if (err == nil) != (c.shown == 1) {
				t.Errorf("%s: %s gets %v", kind, name, err)
			}
		}
	}
}
