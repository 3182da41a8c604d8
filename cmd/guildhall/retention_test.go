package main

import "time"

const day = 24 * time.Hour

// swept sweeps and says how many of each kind were forgotten.
func (s *service) swept() map[string]int64 {
	s.t.Helper()
	all, err := s.app.Sweep(s.ctx)
	if err != nil {
		s.t.Error(err)
	}
	rows := map[string]int64{}
	for _, kind := range all {
		rows[kind.Kind] = kind.Rows
	}
	return rows
}

// back logs somebody in again.
func (s *service) back(a *actor) *actor {
	s.t.Helper()
	return s.actorOf(s.logIn(a.email, password).is(200))
}
