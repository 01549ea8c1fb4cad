package broker

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/statement"
)

// notice keeps a refusal that another broker sealed to this party, the
// requester. One that is not signed by a broker of the job is dropped.
func (b *Broker) notice(ctx context.Context, item wire.Item) error {
	m := &matter{item: item}
	err := b.openJob(ctx, m)
	if r := (*refusal)(nil); errors.As(err, &r) {
		return nil
	}
	if err != nil {
		return err
	}
	if !m.isRequester(b.self) || !m.isOwner(item.From) || len(item.Body) > message.MaxSize {
		return nil
	}
	src, err := b.Box.Open(message.NoticeContext(item.Job, item.From, b.self), item.Body)
	if err != nil {
		return nil
	}
	e, err := statement.ParseEnvelope(src)
	if err != nil {
		return nil
	}
	v, err := statement.Verify[statement.Refusal](e, item.From)
	if err != nil || v.Body().Party != item.From || v.Body().Job != item.Job {
		return nil
	}
	b.Log.Info("refused by", "job", item.Job.Short(), "party", item.From.Short(), "stage", v.Body().Stage, "code", v.Body().Code)
	return b.keepRefusal(item.Job, item.From, e)
}

const refusalPrefix = "refusal-"

// keepRefusal stores the newest refusal of a party for a job.
func (b *Broker) keepRefusal(job statement.Digest, from statement.Fingerprint, e *statement.Envelope) error {
	dir := b.Home.Job(job)
	if err := home.MkdirAll(dir); err != nil {
		return err
	}
	return home.WriteFile(filepath.Join(dir, refusalPrefix+string(from)+".json"), e.Bytes())
}

// Refusals reads the refusals of a job that this party received, each verified
// under the fingerprint that it is stored for.
func Refusals(dir home.Dir, job statement.Digest) ([]statement.Refusal, error) {
	files, err := os.ReadDir(dir.Job(job))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, home.Storage("can't read the job's folder", err)
	}
	var out []statement.Refusal
	for _, f := range files {
		name, ok := strings.CutPrefix(strings.TrimSuffix(f.Name(), ".json"), refusalPrefix)
		if !ok {
			continue
		}
		src, err := os.ReadFile(filepath.Join(dir.Job(job), f.Name()))
		if err != nil {
			return nil, home.Storage("can't read a refusal", err)
		}
		e, err := statement.ParseEnvelope(src)
		if err != nil {
			continue
		}
		if v, err := statement.Verify[statement.Refusal](e, statement.Fingerprint(name)); err == nil && v.Body().Job == job {
			out = append(out, *v.Body())
		}
	}
	return out, nil
}
