package lifecycle

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/fault"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
)

// SuspensionRecord is a suspension that is in force or was.
type SuspensionRecord struct {
	ID             uuid.UUID     `json:"id"`
	Reason         *string       `json:"reason" example:"Under investigation." description:"Null if the caller may not read it."`
	SuspendedAt    time.Time     `json:"suspended_at"`
	SuspendedBy    uuid.NullUUID `json:"suspended_by" description:"Null if a command on the server did it, or if the caller may not know."`
	SuspendedUntil *time.Time    `json:"suspended_until" description:"When it ends by itself; null: when it is lifted."`
	LiftedAt       *time.Time    `json:"lifted_at" description:"When it ended: it was lifted or changed, or suspended_until passed."`
	LiftedBy       uuid.NullUUID `json:"lifted_by" description:"Null if it ended by itself, if a command on the server lifted it, or if the caller may not know."`
	InForce        bool          `json:"in_force" example:"false"`

	reasonShared bool
}

// ForThePerson returns the record as the person sees it whom it is about: without who
// acted, and without a reason that was not given for them to read.
func (r SuspensionRecord) ForThePerson() SuspensionRecord {
	r.SuspendedBy, r.LiftedBy = uuid.NullUUID{}, uuid.NullUUID{}
	if !r.reasonShared { // mutant: reasons-before-sharing
		r.Reason = nil
	}
	return r
}

// History returns a page of the subject's suspensions, the oldest first.
func (s *Store) History(ctx context.Context, subject Subject, w httpapi.Window, now time.Time) (page httpapi.Page[SuspensionRecord], err error) {
	where, args := s.where(subject)
	rows, err := s.db.Rows(ctx, database.InOrder("SELECT id, reason, "+s.reasonShared()+", suspended_at, suspended_by, suspended_until, lifted_at, lifted_by FROM "+s.tables.Suspensions+where+
		" AND id {>} ? ORDER BY id{order} LIMIT ? OFFSET ?").Text(w.Backward), append(args, w.After, w.Limit+1, w.Offset)...)
	if err != nil {
		return page, fmt.Errorf("list %s: %w", s.tables.Suspensions, err)
	}
	found, err := database.Collect(rows, func(scan func(...any) error) (r SuspensionRecord, err error) {
		err = scan(&r.ID, &r.Reason, &r.reasonShared, &r.SuspendedAt, &r.SuspendedBy, &r.SuspendedUntil, &r.LiftedAt, &r.LiftedBy)
		r.SuspendedAt, r.SuspendedUntil, r.LiftedAt = r.SuspendedAt.UTC(), database.InUTC(r.SuspendedUntil), database.InUTC(r.LiftedAt)
		if r.LiftedAt == nil && r.SuspendedUntil != nil && !r.SuspendedUntil.After(now) {
			r.LiftedAt = r.SuspendedUntil
		}
		r.InForce = r.LiftedAt == nil
		return r, err
	})
	if err != nil {
		return page, fmt.Errorf("list %s: %w", s.tables.Suspensions, err)
	}
	page = httpapi.NewPage(found, w, func(r SuspensionRecord) uuid.UUID { return r.ID })
	if w.Count {
		page.Total, err = s.db.Count(ctx, "SELECT COUNT(*) FROM "+s.tables.Suspensions+where, args...)
	}
	return page, err
}

// Amendment changes the suspension in force, as a request has it. What is absent stays.
type Amendment struct {
	Reason         *field.Reason              `json:"reason,omitempty" example:"Under investigation."`
	SuspendedUntil field.Nullable[field.Time] `json:"suspended_until,omitempty" description:"When it ends by itself; null: when it is lifted."`
}

// AmendmentDescription describes what Amend does, for the Docs of routes.
const AmendmentDescription = "Absent members stay unchanged; `suspended_until: null` makes it last until it is lifted. " +
	"In the list of suspensions, the former one ends and another one begins."

// Amend changes the suspension in force. History is never rewritten: it ends that
// suspension and begins another one, by n.SuspendedBy at n.SuspendedAt. n says how to
// mark a new reason. It returns the details of the audit event, or nil if nothing
// changes. It refuses a subject that is not suspended (NotSuspended).
func (s *Store) Amend(ctx context.Context, subject Subject, a Amendment, n Suspension) (details map[string]string, err error) {
	former, err := s.Suspension(ctx, subject, n.SuspendedAt)
	if err != nil {
		return nil, err
	}
	if former == nil {
		return nil, s.tables.NotSuspended
	}
	n.Reason, n.SuspendedUntil, n.ByPlatform = former.Reason, former.SuspendedUntil, n.ByPlatform || former.ByPlatform
	if a.Reason != nil {
		n.Reason = string(*a.Reason)
	} else {
		n.ReasonShared = former.ReasonShared
	}
	if a.SuspendedUntil.Set {
		n.SuspendedUntil = a.SuspendedUntil.Value.Pointer()
	}
	if n.Reason == former.Reason && n.until().Equal(former.until()) {
		return nil, nil
	}
	if err := CheckEnd(n.SuspendedUntil, n.SuspendedAt); err != nil {
		return nil, err
	}
	if err := s.Lift(ctx, subject, n.SuspendedBy, n.SuspendedAt); err != nil {
		return nil, err
	}
	details = audit.ReasonDetails(n.Reason, n.SuspendedUntil)
	for name, value := range audit.ReasonDetails(former.Reason, former.SuspendedUntil) {
		details["former_"+name] = value
	}
	return details, s.Suspend(ctx, subject, n)
}

// CheckEnd refuses the end of a suspension that is not in the future.
func CheckEnd(until *time.Time, now time.Time) error {
	if until != nil && !until.After(now) {
		return httpapi.Invalid("body.suspended_until", fault.NotInTheFuture)
	}
	return nil
}

// until returns the end, or the zero time.
func (n Suspension) until() (end time.Time) {
	if n.SuspendedUntil != nil {
		end = n.SuspendedUntil.UTC()
	}
	return end
}
