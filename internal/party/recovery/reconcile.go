package recovery

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// Reconcile makes a home folder that came out of a backup follow its ledger, which is newer: what was retired since is retired, what
// was destroyed since is destroyed again, and releases that it stopped are stopped. It tells what was made since and is lost.
func Reconcile(dir home.Dir, ring *keyring.Keyring, entries []ledger.Entry) (notes []string, err error) {
	s, err := dataset.Open(dir, ring.Fingerprint(), ring)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		switch e.Kind {
		case ledger.KindPublish:
			if _, ok := s.Get(e.About); !ok {
				notes = append(notes, fmt.Sprintf("%s version %s was published after the backup: its keys are lost, publish it again", e.Name, e.Version))
			}
		case ledger.KindPool:
			notes = append(notes, poolLost(dir, &e)...)
		case ledger.KindRetire, ledger.KindDestroy:
			if err := end(s, ring, &e); err != nil {
				return nil, err
			}
		}
	}
	return notes, freeze(dir, entries)
}

// freeze sets the mark that the ledger asks for. It takes none away: releases may have been stopped where the ledger could not be written.
func freeze(dir home.Dir, entries []ledger.Entry) error {
	if by := ledger.FrozenBy(entries); by != nil {
		return dir.SetFreeze(by.Reason, time.UnixMilli(by.AtMS))
	}
	return nil
}

// end retires the version, and destroys its keys, as the ledger says.
func end(s *dataset.Store, ring *keyring.Keyring, e *ledger.Entry) error {
	p, ok := s.Get(e.About)
	if !ok {
		return nil
	}
	if !p.Retired {
		r, err := statement.Sign(statement.Revocation{Author: ring.Fingerprint(), Revokes: e.About, AtMS: e.AtMS}, ring.Signer())
		if err != nil {
			return err
		}
		if err := s.Retire(e.About, r); err != nil {
			return err
		}
	}
	if e.Kind != ledger.KindDestroy || p.Destroyed {
		return nil
	}
	return s.Destroy(e.About, e.AtMS)
}

// poolLost says that an epoch which was signed is not here to compare new ones with: the exchange's copy has to do.
func poolLost(dir home.Dir, e *ledger.Entry) []string {
	_, err := os.Stat(filepath.Join(dir.Pools(), strings.TrimPrefix(string(e.About), "sha256:")+".json"))
	if err == nil {
		return nil
	}
	return []string{fmt.Sprintf("pool.%s epoch %d was signed after the backup: new epochs are compared with it only while the exchange shows it", e.Name, e.Epoch)}
}
