package token

import (
	"crypto/sha256"
	"sync"
	"time"
)

// seen remembers access tokens that were found valid, by their digest, so that
// the next request with one costs a hash and not a parse. What a token says and
// its signature never change; the clock is looked at each time. Whether the
// session still holds is not the token's to say, here as elsewhere.
//
// Two generations: what was not used while one filled up is forgotten.
type seen struct {
	mu         sync.Mutex
	young, old map[digest]Access
}

type digest [sha256.Size]byte

const maxYoung = 4096 // about a megabyte in both generations

func (s *seen) find(d digest, now time.Time) (Access, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, found := s.young[d]
	if !found {
		if a, found = s.old[d]; found {
			s.keep(d, a)
		}
	}
	return a, found && now.Before(a.ExpiresAt) && !now.Before(a.IssuedAt)
}

func (s *seen) add(d digest, a Access) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep(d, a)
}

func (s *seen) keep(d digest, a Access) {
	if len(s.young) >= maxYoung {
		s.old, s.young = s.young, nil
	}
	if s.young == nil {
		s.young = map[digest]Access{}
	}
	s.young[d] = a
}
