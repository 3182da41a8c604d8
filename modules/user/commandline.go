package user

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/password"
)

// CommandLine does for a command on the server what the routes do for a platform
// administrator, by the same rules.
type CommandLine struct{ m *Module }

// CommandLine returns it.
func (m *Module) CommandLine() CommandLine { return CommandLine{m} }

// View is a person as the API shows them.
type View = userView

// Details are what an operator looks for who is asked why somebody can't get in.
type Details struct {
	View
	IsPlatformAdministrator bool        `json:"is_platform_administrator"`
	Suspension              *Suspension `json:"suspension"` // of the account, while it holds
	Archive                 *Archive    `json:"archive"`
}

// Suspension that holds. Where it was by nobody, it was by the command line.
type Suspension struct {
	Reason         string        `json:"reason" example:"Under investigation."`
	SuspendedAt    time.Time     `json:"suspended_at"`
	SuspendedBy    uuid.NullUUID `json:"suspended_by" description:"Null where a command on the server did it."`
	SuspendedUntil *time.Time    `json:"suspended_until" description:"When it ends by itself."`
}

// Archive of an account that has not been restored.
type Archive struct {
	Reason     string        `json:"reason"`
	ArchivedAt time.Time     `json:"archived_at"`
	ArchivedBy uuid.NullUUID `json:"archived_by"`
}

// Membership is a person's standing in one organization, whatever that of their
// account is.
type Membership struct {
	IsActive    bool        `json:"is_active"`
	IsSuspended bool        `json:"is_suspended"`
	Suspension  *Suspension `json:"suspension"`
}

// All are the people of an organization, or without one everybody.
func (c CommandLine) All(ctx context.Context, organizationID uuid.NullUUID) iter.Seq2[View, error] {
	ctx, err := c.m.gate.AdmitCommandLine(ctx, access.Active(access.Member), access.Request{Organization: organizationID})
	return httpapi.Each(func(w httpapi.Window) (httpapi.Page[userView], error) {
		if err != nil {
			return httpapi.Page[userView]{}, err
		}
		return c.m.people(ctx, w, !organizationID.Valid)
	})
}

// Show has everything of an account but what other modules keep.
func (c CommandLine) Show(ctx context.Context, id uuid.UUID) (d Details, err error) {
	if ctx, err = c.m.gate.AdmitCommandLine(ctx, access.OperatorOnly(), access.Request{User: id}); err != nil {
		return d, err
	}
	if d.View, err = c.m.view(ctx, id); err != nil {
		return d, err
	}
	standing, err := c.m.gate.Of(ctx, id, uuid.NullUUID{})
	if err != nil {
		return d, err
	}
	d.IsPlatformAdministrator = standing.Operator
	if d.Suspension, err = c.m.store.suspension(ctx, subject{userID: id}, c.m.now()); err != nil {
		return d, err
	}
	d.Archive, err = c.m.store.archived(ctx, id)
	return d, err
}

// Within is a person's standing in an organization.
func (c CommandLine) Within(ctx context.Context, id, organizationID uuid.UUID) (m Membership, err error) {
	where := uuid.NullUUID{UUID: organizationID, Valid: true}
	if ctx, err = c.m.gate.AdmitCommandLine(ctx, access.OperatorOnly(), access.Request{User: id}); err != nil {
		return m, err
	}
	standing, err := c.m.gate.Of(ctx, id, where)
	if err != nil {
		return m, err
	}
	m.IsActive, m.IsSuspended = standing.MembershipActive, standing.MembershipSuspended
	m.Suspension, err = c.m.store.suspension(ctx, subject{userID: id, organizationID: where}, c.m.now())
	return m, err
}

// Newcomer is somebody who is to have an account.
type Newcomer struct {
	Email          field.Email
	Name           field.Name
	Password       field.NewPassword // empty: none
	OrganizationID uuid.NullUUID
	Role           *JoiningRole
}

// Create makes an account, and in the same transaction runs what comes after it.
func (c CommandLine) Create(ctx context.Context, n Newcomer, then func(context.Context, uuid.UUID) error) (v View, err error) {
	if ctx, err = c.m.gate.AdmitCommandLine(ctx, access.OperatorAlone(), access.Request{}); err != nil {
		return v, err
	}
	if n.Password != "" {
		if problem := password.Check(string(n.Password), string(n.Email)); problem != "" {
			return v, fmt.Errorf("the password %s", problem)
		}
	}
	made := newcomer{email: n.Email, name: n.Name, password: string(n.Password), organizationID: n.OrganizationID, role: n.Role.role()}
	err = c.m.letIn(ctx, made, func(ctx context.Context, view userView) error {
		v = view
		return then(ctx, view.ID)
	})
	return v, err
}

// Suspend, Activate and Deactivate are about the standing in an organization, or
// without one about the account.
func (c CommandLine) Suspend(ctx context.Context, id uuid.UUID, organizationID uuid.NullUUID, reason field.Reason, until *field.Time) (View, error) {
	ctx, in, err := c.over(ctx, id, organizationID)
	if err != nil {
		return View{}, err
	}
	return c.m.suspend(ctx, suspendInput{userPath: in.userPath, Scope: in.Scope, Reason: reason, SuspendedUntil: until})
}

func (c CommandLine) Activate(ctx context.Context, id uuid.UUID, organizationID uuid.NullUUID) (View, error) {
	ctx, in, err := c.over(ctx, id, organizationID)
	if err != nil {
		return View{}, err
	}
	return c.m.activate(ctx, in)
}

func (c CommandLine) Deactivate(ctx context.Context, id uuid.UUID, organizationID uuid.NullUUID) (View, error) {
	ctx, in, err := c.over(ctx, id, organizationID)
	if err != nil {
		return View{}, err
	}
	return c.m.deactivate(ctx, in)
}

func (c CommandLine) over(ctx context.Context, id uuid.UUID, organizationID uuid.NullUUID) (context.Context, standingInput, error) {
	in := standingInput{userPath: userPath{id}}
	if !organizationID.Valid {
		account := scopeAccount
		in.Scope = &account
	}
	ctx, err := c.m.gate.AdmitCommandLine(ctx, overStanding(), access.Request{Organization: organizationID, User: id})
	return ctx, in, err
}

// Archive an account, and the organizations that the person is alone in.
func (c CommandLine) Archive(ctx context.Context, id uuid.UUID, reason field.Reason) (View, error) {
	ctx, err := c.m.gate.AdmitCommandLine(ctx, access.SelfOrOperator(), access.Request{User: id})
	if err != nil {
		return View{}, err
	}
	return c.m.archive(ctx, archiveInput{userPath{id}, reason})
}

// Unarchive restores it; the organizations stay archived.
func (c CommandLine) Unarchive(ctx context.Context, id uuid.UUID, reason *field.Reason) (View, error) {
	ctx, err := c.m.gate.AdmitCommandLine(ctx, access.OperatorOnly(), access.Request{User: id})
	if err != nil {
		return View{}, err
	}
	return c.m.unarchive(ctx, unarchiveInput{userPath{id}, reason})
}
