package access

import (
	"database/sql"
	"time"
)

// This file decides whether a session has proved enough: for a route, how lately and by how
// many factors; in an organization, by its policy. A session says both, and the gate reads it
// for every request. So a step-up takes effect at once, with the same token.

// stepUp is the proof that a rule asks for, beyond a live session.
type stepUp int8

const (
	noProof       stepUp = iota
	byHandler            // the handler asks, by CheckRecent
	recentOfTwo          // a recent one, of people who have a second factor
	recentProof          // a recent one, of two factors if they have a second one
	recentOfEvery        // a recent one of two factors, which everybody must have
)

// strongly is the name of two factors in an answer (acr_values of RFC 9470; NIST SP 800-63B).
const strongly = "aal2"

// SetMostSince sets how long ago a proof may be, where a rule asks for a recent one.
func (g *Gate) SetMostSince(d time.Duration) { g.mostSince = d }

// readsProof reports whether the gate reads when the caller proved who they are.
func (r Rule) readsProof() bool { return r.stepUp != noProof }

// proofs says in the route table which proof the rule asks for.
func (r Rule) proofs() string {
	switch r.stepUp {
	case recentProof:
		return ", after a recent proof"
	case recentOfTwo:
		return ", after a recent proof if they have a second factor"
	case recentOfEvery:
		return ", after a recent proof of two factors"
	default:
		return ""
	}
}

// proof is when a session proved who its person is. The first column is NULL in a session of
// an earlier release.
type proof struct{ last, created sql.NullTime }

const proofColumns = ", s.authenticated_at, s.created_at"

func (p *proof) into() []any { return []any{&p.last, &p.created} }

func (p *proof) at() time.Time {
	if p.last.Valid {
		return p.last.Time
	}
	return p.created.Time
}

// CheckRecent refuses a caller whose last proof is too old or too weak, for a handler of which
// only some requests need one. Its rule is MayStepUp.
func (g *Gate) CheckRecent(c Caller) error { return g.checkProof(recentProof, c.Standing) }

// checkProof refuses a session that has proved too little for a rule.
func (g *Gate) checkProof(needed stepUp, s Standing) error {
	switch weak := s.Enrolled && !s.Strong; { // mutant: step-up-factor
	case needed == noProof || needed == byHandler || needed == recentOfTwo && !s.Enrolled:
		return nil
	case needed == recentOfEvery && !s.Enrolled:
		return ErrFactorRequired
	case !weak && g.now().Sub(s.proved) <= g.mostSince: // mutant: step-up
		return nil
	case s.Enrolled:
		return ErrStepUpRequired.WithMaxAge(g.mostSince).WithACR(strongly)
	default:
		return ErrStepUpRequired.WithMaxAge(g.mostSince)
	}
}

// AsksAdmins reports whether the organization asks only its owner and admins for a second factor.
func (s Standing) AsksAdmins() bool { return s.factorOfAdmins }

// RequiresFactor reports whether the organization's policy asks the person for a second factor.
func (s Standing) RequiresFactor() bool {
	return s.factorOfEveryone && s.Role >= Member || s.factorOfAdmins && s.Role >= Admin
}

// FactorRefusal returns why the organization's policy refuses the session, or nil. The policy
// is about what the session has proved, and not about what the person has set up.
func (s Standing) FactorRefusal() error {
	switch {
	case !s.RequiresFactor() || s.Strong: // mutant: factor-policy
		return nil
	case s.Enrolled:
		return ErrStepUpRequired.WithACR(strongly)
	default:
		return ErrFactorRequired
	}
}
