package access

import (
	"context"
	"fmt"

	"guildhall/platform/database"
	"guildhall/platform/token"
)

// Presented is a credential, and the request for which it is presented.
type Presented struct {
	Rule    Rule // that reads no Row
	Claims  token.Access
	Request Request
}

// Admission is what Admit returns.
type Admission struct {
	Caller Caller
	Err    error
}

// AdmitBoth is Admit for two credentials at once: that of who asks, and the one they ask about.
// Without a cache, one query reads both standings, because each round trip to the database
// costs as much as the rest of the request.
func (g *Gate) AdmitBoth(ctx context.Context, first, second Presented) (both [2]Admission, err error) {
	both, err = g.admitBoth(ctx, first, second)
	if err != nil {
		return both, err
	}
	g.keys.judged(first.Claims, both[0].Err)
	if second.Claims.SessionID != first.Claims.SessionID { // who asks about nothing else is counted once
		g.keys.judged(second.Claims, both[1].Err)
	}
	return both, nil
}

func (g *Gate) admitBoth(ctx context.Context, first, second Presented) (both [2]Admission, err error) {
	presented := [2]Presented{first, second}
	if g.cache.watch != nil {
		for i, p := range presented {
			both[i].Caller, both[i].Err = g.admit(ctx, p.Rule, p.Claims, p.Request)
		}
		return both, nil
	}
	standings, err := g.readTwo(ctx, presented)
	if err != nil {
		return both, err
	}
	for i, p := range presented {
		both[i].Caller, both[i].Err = g.judge(ctx, p.Rule, p.Claims, p.Request, standings[i], nil)
	}
	return both, nil
}

// readTwo reads the standings of two credentials.
func (g *Gate) readTwo(ctx context.Context, presented [2]Presented) (standings [2]Standing, err error) {
	now := g.now()
	args := make([]any, 0, 8)
	for _, p := range presented {
		args = append(args, p.Claims.UserID, p.Claims.SessionID, activeIn(p.Claims, p.Request), now)
	}
	rows, err := g.db.Rows(database.ForAll(database.OnPrimary(ctx)), g.twoSQL, args...)
	if err != nil {
		return standings, fmt.Errorf("read two standings: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var which int
		s, err := scanStanding(rows.Scan, &which)
		if err != nil {
			return standings, fmt.Errorf("read two standings: %w", err)
		}
		standings[which] = s
	}
	if err := rows.Err(); err != nil {
		return standings, fmt.Errorf("read two standings: %w", err)
	}
	return standings, nil
}
