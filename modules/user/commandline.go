package user

import (
	"context"
	"fmt"
	"iter"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/lifecycle"
	"guildhall/platform/roster"
)

// CommandLine is for commands on the server. It offers what the routes offer to platform
// administrators, by the same rules.
type CommandLine struct{ svc *Service }

// CommandLine returns the operations for the command line.
func (svc *Service) CommandLine() CommandLine { return CommandLine{svc} }

// View is a person as the API shows them.
type View = userView

// Details is a person with the reasons why they can't log in.
type Details struct {
	View
	IsPlatformAdministrator bool        `json:"is_platform_administrator"`
	Suspension              *Suspension `json:"suspension"` // of the account, in force, or nil
	Archive                 *Archive    `json:"archive"`
}

// Erasure says when an account will be erased.
type Erasure = erasureView

// Suspension and Archive are in force.
type (
	Suspension = lifecycle.Suspension
	Archive    = lifecycle.Archive
)

// Membership is a person's standing in one organization, regardless of their account's.
type Membership struct {
	IsActive    bool        `json:"is_active"`
	IsSuspended bool        `json:"is_suspended"`
	Suspension  *Suspension `json:"suspension"`
}

// All lists the members of an organization, or without one all accounts.
func (c CommandLine) All(ctx context.Context, organizationID uuid.NullUUID) iter.Seq2[View, error] {
	ctx, err := c.svc.gate.AdmitCommandLine(ctx, access.Active(access.Member), access.Request{Organization: organizationID})
	listed := httpapi.Each(func(w httpapi.Window) (httpapi.Page[listedUserView], error) {
		if err != nil {
			return httpapi.Page[listedUserView]{}, err
		}
		return c.svc.list(ctx, w, !organizationID.Valid, nil, roster.Selection{})
	})
	return func(yield func(View, error) bool) {
		for v, err := range listed {
			if !yield(v.userView, err) {
				return
			}
		}
	}
}

// Show returns what this module stores of an account.
func (c CommandLine) Show(ctx context.Context, id uuid.UUID) (d Details, err error) {
	if ctx, err = c.svc.gate.AdmitCommandLine(ctx, access.PlatformAdminOnly(), access.Request{User: id}); err != nil {
		return d, err
	}
	if d.View, err = c.svc.get(ctx, userPath{id}); err != nil {
		return d, err
	}
	standing, err := c.svc.gate.Of(ctx, id, uuid.NullUUID{})
	if err != nil {
		return d, err
	}
	d.IsPlatformAdministrator = standing.PlatformAdmin
	if d.Suspension, err = c.svc.store.lifecycle.Suspension(ctx, subject{userID: id}.key(), c.svc.now()); err != nil {
		return d, err
	}
	d.Archive, err = c.svc.store.lifecycle.OpenArchive(ctx, subject{userID: id}.key())
	return d, err
}

// Within returns a person's standing in an organization.
func (c CommandLine) Within(ctx context.Context, id, organizationID uuid.UUID) (m Membership, err error) {
	where := uuid.NullUUID{UUID: organizationID, Valid: true}
	if ctx, err = c.svc.gate.AdmitCommandLine(ctx, access.PlatformAdminOnly(), access.Request{User: id}); err != nil {
		return m, err
	}
	standing, err := c.svc.gate.Of(ctx, id, where)
	if err != nil {
		return m, err
	}
	m.IsActive, m.IsSuspended = standing.MembershipActive, standing.MembershipSuspended
	m.Suspension, err = c.svc.store.lifecycle.Suspension(ctx, subject{userID: id, organizationID: where}.key(), c.svc.now())
	return m, err
}

// Create creates an account. In the same transaction it calls then, whose error rolls back
// everything.
func (c CommandLine) Create(ctx context.Context, n NewUser, then func(context.Context, uuid.UUID) error) (v View, err error) {
	if ctx, err = c.svc.gate.AdmitCommandLine(ctx, access.PlatformAdminOnly().WithoutPerson(), access.Request{}); err != nil {
		return v, err
	}
	if problem := c.svc.checkPassword(ctx, n); problem != nil {
		return v, fmt.Errorf("the password %w", problem)
	}
	err = c.svc.create(ctx, n, func(ctx context.Context, view userView) error {
		v = view
		return then(ctx, view.ID)
	})
	return v, err
}

// Suspend, Activate and Deactivate change the person's standing in an organization, or
// without one the account's.
func (c CommandLine) Suspend(ctx context.Context, id uuid.UUID, organizationID uuid.NullUUID, reason field.Reason, until *field.Time) (View, error) {
	ctx, in, err := c.over(ctx, id, organizationID)
	if err != nil {
		return View{}, err
	}
	return c.svc.suspend(ctx, suspendInput{standingInput: in, Reason: reason, SuspendedUntil: until})
}

func (c CommandLine) Activate(ctx context.Context, id uuid.UUID, organizationID uuid.NullUUID) (View, error) {
	ctx, in, err := c.over(ctx, id, organizationID)
	if err != nil {
		return View{}, err
	}
	return c.svc.activate(ctx, in)
}

func (c CommandLine) Deactivate(ctx context.Context, id uuid.UUID, organizationID uuid.NullUUID) (View, error) {
	ctx, in, err := c.over(ctx, id, organizationID)
	if err != nil {
		return View{}, err
	}
	return c.svc.deactivate(ctx, in)
}

func (c CommandLine) over(ctx context.Context, id uuid.UUID, organizationID uuid.NullUUID) (context.Context, standingInput, error) {
	in := standingInput{userPath: userPath{id}}
	if !organizationID.Valid {
		account := scopeAccount
		in.Scope = &account
	}
	ctx, err := c.svc.gate.AdmitCommandLine(ctx, overStanding(), access.Request{Organization: organizationID, User: id})
	return ctx, in, err
}

// Archive archives an account, and the organizations whose only member is the person.
func (c CommandLine) Archive(ctx context.Context, id uuid.UUID, reason field.Reason) (View, error) {
	ctx, err := c.svc.gate.AdmitCommandLine(ctx, access.Self().OrPlatformAdmin(), access.Request{User: id})
	if err != nil {
		return View{}, err
	}
	return c.svc.archive(ctx, archiveInput{userPath{id}, reason})
}

// Erase archives an account, which is erased after the delay.
func (c CommandLine) Erase(ctx context.Context, id uuid.UUID) (Erasure, error) {
	ctx, err := c.svc.gate.AdmitCommandLine(ctx, access.Self().OrPlatformAdmin(), access.Request{User: id})
	if err != nil {
		return Erasure{}, err
	}
	answer, err := c.svc.requestErasure(ctx, userPath{id})
	return answer.Body, err
}

// Export returns what the service holds about a person, as one JSON document.
func (c CommandLine) Export(ctx context.Context, id uuid.UUID) ([]byte, error) {
	ctx, err := c.svc.gate.AdmitCommandLine(ctx, access.Self().OrPlatformAdmin(), access.Request{User: id})
	if err != nil {
		return nil, err
	}
	file, err := c.svc.export(ctx, userPath{id})
	return file.Body, err
}

// Unarchive restores an account, which then will not be erased. Its organizations stay archived.
func (c CommandLine) Unarchive(ctx context.Context, id uuid.UUID, reason *field.Reason) (View, error) {
	ctx, err := c.svc.gate.AdmitCommandLine(ctx, access.PlatformAdminOnly(), access.Request{User: id})
	if err != nil {
		return View{}, err
	}
	return c.svc.unarchive(ctx, unarchiveInput{userPath{id}, reason})
}
