package organization

import (
	"context"
	"iter"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
)

// CommandLine does for a command on the server what the routes do for a platform
// administrator, by the same rules.
type CommandLine struct{ m *Module }

// CommandLine returns it.
func (m *Module) CommandLine() CommandLine { return CommandLine{m} }

// View is an organization as the API shows it, Membership as it shows it to a
// member, and Suspension as it shows one.
type (
	View       = organizationView
	Membership = membershipView
	Suspension = organizationSuspensionView
)

// Details are an organization with what became of it.
type Details struct {
	View
	Suspension *Suspension `json:"suspension"` // while it holds
	Archive    *Archive    `json:"archive"`
}

// Archive of an organization that has not been restored.
type Archive struct {
	Reason     string        `json:"reason"`
	ArchivedAt time.Time     `json:"archived_at"`
	ArchivedBy uuid.NullUUID `json:"archived_by"`
}

// All organizations there are, archived ones too.
func (c CommandLine) All(ctx context.Context) iter.Seq2[View, error] {
	ctx, err := c.m.gate.AdmitCommandLine(ctx, access.OperatorOnly(), access.Request{})
	return httpapi.Each(func(w httpapi.Window) (page httpapi.Page[View], _ error) {
		if err != nil {
			return page, err
		}
		found, err := c.m.store.list(ctx, uuid.Nil, true, true, w, c.m.now())
		for _, o := range found.Items {
			page.Items = append(page.Items, o.organizationView)
		}
		page.Next = found.Next
		return page, err
	})
}

// Of are a person's organizations, as they see them.
func (c CommandLine) Of(ctx context.Context, userID uuid.UUID) iter.Seq2[Membership, error] {
	ctx, err := c.m.gate.AdmitCommandLine(ctx, access.OperatorOnly(), access.Request{User: userID})
	return httpapi.Each(func(w httpapi.Window) (httpapi.Page[Membership], error) {
		if err != nil {
			return httpapi.Page[Membership]{}, err
		}
		return c.m.store.list(ctx, userID, false, true, w, c.m.now())
	})
}

// Show has everything of an organization but its people.
func (c CommandLine) Show(ctx context.Context, id uuid.UUID) (d Details, err error) {
	if ctx, err = c.admit(ctx, seeing(), id); err != nil {
		return d, err
	}
	if d.View, err = c.m.store.find(ctx, id, c.m.now()); err != nil {
		return d, err
	}
	if d.Suspension, err = c.m.store.suspension(ctx, id, c.m.now()); err != nil {
		return d, err
	}
	d.Archive, err = c.m.store.archived(ctx, id)
	return d, err
}

// Suspend it, so that its owner can't lift that.
func (c CommandLine) Suspend(ctx context.Context, id uuid.UUID, reason field.Reason, until *field.Time) (View, error) {
	ctx, err := c.admit(ctx, ownersRule(), id)
	if err != nil {
		return View{}, err
	}
	return c.m.suspend(ctx, suspendInput{organizationPath{id}, reason, until})
}

// Activate lifts a suspension, whoever's it is.
func (c CommandLine) Activate(ctx context.Context, id uuid.UUID) (View, error) {
	ctx, err := c.admit(ctx, ownersRule(), id)
	if err != nil {
		return View{}, err
	}
	return c.m.activate(ctx, organizationPath{id})
}

func (c CommandLine) Archive(ctx context.Context, id uuid.UUID, reason field.Reason) (View, error) {
	ctx, err := c.admit(ctx, ownersRule().WhileArchived(), id)
	if err != nil {
		return View{}, err
	}
	return c.m.archive(ctx, archiveInput{organizationPath{id}, reason})
}

func (c CommandLine) Unarchive(ctx context.Context, id uuid.UUID, reason *field.Reason) (View, error) {
	ctx, err := c.admit(ctx, ownersRule().WhileArchived(), id)
	if err != nil {
		return View{}, err
	}
	return c.m.unarchive(ctx, unarchiveInput{organizationPath{id}, reason})
}

func (c CommandLine) admit(ctx context.Context, rule access.Rule, id uuid.UUID) (context.Context, error) {
	return c.m.gate.AdmitCommandLine(ctx, rule, access.Request{Organization: uuid.NullUUID{UUID: id, Valid: true}, OrganizationInPath: true})
}
