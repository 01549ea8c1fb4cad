package machines

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/statement"
)

// Format of a file of kept evidence, with its version.
const Format = "cordon-kept-evidence/1"

const (
	prefix  = "evidence-"
	maxKept = 8<<20 + 4096 // bytes of a file: a message with evidence has 8 MiB at most
)

// kept is evidence that a job ran on.
type kept struct {
	Format   string             `json:"format"`
	Job      statement.Digest   `json:"job"`
	AtMS     int64              `json:"at_ms"` // when keys were released to it, or its receipt was made
	Evidence statement.Evidence `json:"evidence"`
}

func name(evidence statement.Digest) string {
	return prefix + strings.TrimPrefix(string(evidence), "sha256:") + ".json"
}

// Keep stores the evidence of a job's enclave in the party's home. What is there already stays: the earliest time is the release's. It may
// be lost in a crash; then it is kept when the job's receipt comes.
func Keep(dir home.Dir, job statement.Digest, e *statement.Evidence, atMS int64) error {
	d, err := e.Digest()
	if err != nil {
		return err
	}
	path := filepath.Join(dir.Job(job), name(d))
	if _, err := read(path, job, d); err == nil {
		return nil
	}
	b, err := statement.Marshal(kept{Format: Format, Job: job, AtMS: atMS, Evidence: *e})
	if err != nil {
		return err
	}
	return home.WriteCache(path, b)
}

var errNotKept = errors.New("its evidence is not kept here: 'cordon receipt show JOB' fetches it")

// read reads kept evidence. It must be what its name says.
func read(path string, job, evidence statement.Digest) (*kept, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNotKept
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxKept+1))
	if err != nil {
		return nil, err
	}
	k := new(kept)
	if err := statement.UnmarshalUpTo(src, maxKept, k); err != nil {
		return nil, err
	}
	d, err := k.Evidence.Digest()
	if err != nil || k.Format != Format || k.Job != job || d != evidence {
		return nil, fmt.Errorf("%s is damaged, or of another job", filepath.Base(path))
	}
	return k, nil
}

// all reads what is kept of all jobs; what can't be read is told with its error.
func all(dir home.Dir, f func(job, evidence statement.Digest, k *kept, err error)) error {
	jobs, err := os.ReadDir(dir.Jobs())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return home.Storage("can't read the jobs", err)
	}
	for _, j := range jobs {
		job := statement.Digest("sha256:" + j.Name())
		if !job.Valid() || !j.IsDir() {
			continue
		}
		files, err := os.ReadDir(dir.Job(job))
		if err != nil {
			return home.Storage("can't read a job", err)
		}
		for _, x := range files {
			rest, ok := strings.CutPrefix(strings.TrimSuffix(x.Name(), ".json"), prefix)
			evidence := statement.Digest("sha256:" + rest)
			if !ok || !evidence.Valid() {
				continue
			}
			k, err := read(filepath.Join(dir.Job(job), x.Name()), job, evidence)
			f(job, evidence, k, err)
		}
	}
	return nil
}
