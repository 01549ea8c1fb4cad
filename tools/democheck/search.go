package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/cordon-exchange/cordon/internal/canary"
)

// maxCanaries bounds the known values that are looked for.
const maxCanaries = 400

// known picks values of the CSV that nobody could have in a file by chance or by
// right: airports, aircraft and species, which no query can name.
func known(path string) (*canary.Set, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, row := range rows[1:] {
		for i, name := range rows[0] {
			if (name == "Airport Name" || name == "Wildlife Species") && len(row[i]) >= 12 {
				seen[row[i]] = true
			}
		}
	}
	values := make([]string, 0, len(seen))
	for v := range seen {
		values = append(values, v)
	}
	sort.Strings(values)
	set := &canary.Set{}
	for i, v := range values[:min(maxCanaries, len(values))] {
		if err := set.Text(fmt.Sprintf("value %d", i), v); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// search looks for owners' values in everything that is not on their premises,
// and adds what the demo found in the memory of running processes.
func (c *checker) search(ctx context.Context, s *summary) (int, error) {
	set, err := known(c.csv)
	if err != nil {
		return 0, err
	}
	if err := findsItself(set, c.csv); err != nil {
		return 0, err
	}
	found, files := len(s.Memory), 0
	err = filepath.WalkDir(c.out, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if rel, _ := filepath.Rel(c.out, path); d.IsDir() && rel == "premises" {
			return fs.SkipDir
		}
		if !d.Type().IsRegular() {
			return ctx.Err()
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		hits, err := set.Reader(f)
		for _, h := range hits {
			found++
			c.say("LEAK: %s in %s", h.Name, strings.TrimPrefix(path, c.out))
		}
		files++
		return err
	})
	c.say("%d patterns of known values searched in %d files outside the airlines' premises: %d found", set.Len(), files, found)
	return found, err
}

// findsItself shows that the search works: the CSV is full of the values.
func findsItself(set *canary.Set, csv string) error {
	f, err := os.Open(csv)
	if err != nil {
		return err
	}
	defer f.Close()
	hits, err := set.Reader(f)
	if err == nil && len(hits) < set.Len()/20 {
		err = fmt.Errorf("the search does not find the values in the CSV itself")
	}
	return err
}
