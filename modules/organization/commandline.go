package organization

import (
	"context"
	"iter"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/lifecycle"
)

// CommandLine is for commands on the server. It offers what the routes offer to platform
// administrators, by the same rules.
type CommandLine struct{ svc *Service }

// CommandLine returns the operations for the command line.
func (svc *Service) CommandLine() CommandLine { return CommandLine{svc} }

// View is an organization as the API shows it. Membership is an organization as the API
// shows it to a member. Suspension is a suspension as the API shows it.
type (
	View       = organizationView
	Membership = membershipView
	Suspension = organizationSuspensionView
)

// Details are an organization with its open suspension and archive.
type Details struct {
	View
	Suspension *Suspension `json:"suspension"` // in force, or nil
	Archive    *Archive    `json:"archive"`
}

// Archive is an archive in force.
type Archive = lifecycle.Archive

// All lists all organizations, including archived ones.
func (c CommandLine) All(ctx context.Context) iter.Seq2[View, error] {
	ctx, err := c.svc.gate.AdmitCommandLine(ctx, access.PlatformAdminOnly(), access.Request{})
	return httpapi.Each(func(w httpapi.Window) (page httpapi.Page[View], _ error) {
		if err != nil {
			return page, err
		}
		found, err := c.svc.store.listAll(ctx, uuid.Nil, nil, nil, true, w, c.svc.now())
		for _, o := range found.Items {
			o.reveal(access.From(ctx))
			page.Items = append(page.Items, o.organizationView)
		}
		page.Next = found.Next
		return page, err
	})
}

// Of lists a person's organizations as the person sees them.
func (c CommandLine) Of(ctx context.Context, userID uuid.UUID) iter.Seq2[Membership, error] {
	ctx, err := c.svc.gate.AdmitCommandLine(ctx, access.PlatformAdminOnly(), access.Request{User: userID})
	return httpapi.Each(func(w httpapi.Window) (httpapi.Page[Membership], error) {
		if err != nil {
			return httpapi.Page[Membership]{}, err
		}
		return c.svc.store.list(ctx, userID, true, w, c.svc.now())
	})
}

// Show returns an organization without its members.
func (c CommandLine) Show(ctx context.Context, id uuid.UUID) (d Details, err error) {
	if ctx, err = c.admit(ctx, showing(), id); err != nil {
		return d, err
	}
	if d.View, err = c.svc.store.find(ctx, id, c.svc.now()); err != nil {
		return d, err
	}
	d.reveal(access.From(ctx))
	if d.Suspension, err = c.svc.suspension(ctx, id); err != nil {
		return d, err
	}
	d.Archive, err = c.svc.store.lifecycle.OpenArchive(ctx, lifecycle.Of(id))
	return d, err
}

// Suspend suspends an organization. Its owner can't lift this suspension.
func (c CommandLine) Suspend(ctx context.Context, id uuid.UUID, reason field.Reason, until *field.Time) (View, error) {
	ctx, err := c.admit(ctx, changingStanding(), id)
	if err != nil {
		return View{}, err
	}
	return c.svc.suspend(ctx, suspendInput{organizationPath{id}, reason, until})
}

// Activate lifts a suspension by the organization's owner or by a platform administrator.
func (c CommandLine) Activate(ctx context.Context, id uuid.UUID) (View, error) {
	ctx, err := c.admit(ctx, changingStanding(), id)
	if err != nil {
		return View{}, err
	}
	return c.svc.activate(ctx, organizationPath{id})
}

// Archive archives an organization.
func (c CommandLine) Archive(ctx context.Context, id uuid.UUID, reason field.Reason) (View, error) {
	ctx, err := c.admit(ctx, changingStanding().WhileArchived(), id)
	if err != nil {
		return View{}, err
	}
	return c.svc.archive(ctx, archiveInput{organizationPath{id}, reason})
}

// Unarchive restores an archived organization.
func (c CommandLine) Unarchive(ctx context.Context, id uuid.UUID, reason *field.Reason) (View, error) {
	ctx, err := c.admit(ctx, changingStanding().WhileArchived(), id)
	if err != nil {
		return View{}, err
	}
	return c.svc.unarchive(ctx, unarchiveInput{organizationPath{id}, reason})
}

func (c CommandLine) admit(ctx context.Context, rule access.Rule, id uuid.UUID) (context.Context, error) {
	return c.svc.gate.AdmitCommandLine(ctx, rule, access.Request{Organization: uuid.NullUUID{UUID: id, Valid: true}, OrganizationInPath: true})
}
