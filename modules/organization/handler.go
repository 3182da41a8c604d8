package organization

import (
	"context"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
)

type organizationView struct {
	ID          uuid.UUID `json:"id"`
	Name        string    `json:"name" example:"Analytical Engines"`
	IsActive    bool      `json:"is_active" example:"true"`
	IsSuspended bool      `json:"is_suspended" example:"false"`
	IsArchived  bool      `json:"is_archived" example:"false"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`

	Suspension *organizationSuspensionView `json:"suspension,omitempty" description:"While one holds, to the organization's admins and platform administrators. Not in lists."`
}

// organizationSuspensionView is a suspension that holds. Where it was by nobody, it
// was by the command line.
type organizationSuspensionView struct {
	Reason         string        `json:"reason" example:"Unpaid invoices."`
	ByPlatform     bool          `json:"by_platform" example:"true" description:"The owner can't lift it."`
	SuspendedAt    time.Time     `json:"suspended_at"`
	SuspendedBy    uuid.NullUUID `json:"suspended_by" description:"Null where a command on the server did it."`
	SuspendedUntil *time.Time    `json:"suspended_until" description:"When it ends by itself."`
}

// membershipView is an organization with what the caller is in it.
type membershipView struct {
	organizationView
	Role     *access.Role `json:"role"`
	JoinedAt *time.Time   `json:"joined_at"`
}

type choiceView struct {
	ID       uuid.UUID   `json:"id"`
	Name     string      `json:"name" example:"Analytical Engines"`
	Role     access.Role `json:"role"`
	JoinedAt time.Time   `json:"joined_at"`
}

type choicesView struct {
	Organizations []choiceView `json:"organizations"`
}

type organizationPath struct {
	OrganizationID uuid.UUID `path:"organization_id"`
}

type createInput struct {
	Name field.Name `json:"name" example:"Analytical Engines"`
}

type renameInput struct {
	organizationPath
	Name field.Name `json:"name" example:"Difference Engines"`
}

type suspendInput struct {
	organizationPath
	Reason         field.Reason `json:"reason" example:"Unpaid invoices." description:"Shown to the organization's admins."`
	SuspendedUntil *field.Time  `json:"suspended_until,omitempty" description:"When it ends by itself; without it, until somebody lifts it."`
}

type archiveInput struct {
	organizationPath
	Reason field.Reason `json:"reason" example:"The project has ended."`
}

type unarchiveInput struct {
	organizationPath
	Reason *field.Reason `json:"reason,omitempty" example:"The project goes on."`
}

type listInput struct {
	httpapi.PageInput
	IncludeArchived *bool      `query:"include_archived" description:"Whether to list archived organizations too, to their owner."`
	Scope           *field.All `query:"scope" description:"Every organization there is, for platform administrators."`
}

func (m *Module) create(ctx context.Context, in createInput) (httpapi.Created[organizationView], error) {
	return m.found(ctx, access.From(ctx).UserID, string(in.Name))
}

func (m *Module) list(ctx context.Context, in listInput) (httpapi.Page[membershipView], error) {
	w, err := in.Window()
	if err != nil {
		return httpapi.Page[membershipView]{}, err
	}
	caller := access.From(ctx)
	if in.Scope != nil && !caller.Operator {
		return httpapi.Page[membershipView]{}, access.ErrOperatorRequired
	}
	archived := in.IncludeArchived != nil && *in.IncludeArchived
	return m.store.list(ctx, caller.UserID, in.Scope != nil, archived, w, m.now())
}

func (m *Module) mine(ctx context.Context, _ struct{}) (choicesView, error) {
	list, err := m.store.choices(ctx, access.From(ctx).UserID)
	return choicesView{Organizations: list}, err
}

func (m *Module) get(ctx context.Context, in organizationPath) (organizationView, error) {
	return m.explained(ctx, access.From(ctx), seen(ctx, in.OrganizationID))
}

// explained says why it is suspended, to those who may know.
func (m *Module) explained(ctx context.Context, caller access.Caller, v organizationView) (_ organizationView, err error) {
	if v.IsSuspended && caller.May(access.Admin) {
		v.Suspension, err = m.store.suspension(ctx, v.ID, m.now())
	}
	return v, err
}

func (m *Module) rename(ctx context.Context, in renameInput) (organizationView, error) {
	return m.change(ctx, in.OrganizationID, audit.OrganizationRenamed, nil, func(ctx context.Context, _ access.Held) error {
		return m.store.rename(ctx, in.OrganizationID, string(in.Name), m.now())
	})
}

func (m *Module) suspend(ctx context.Context, in suspendInput) (organizationView, error) {
	var until *time.Time
	if in.SuspendedUntil != nil {
		until = &in.SuspendedUntil.Time
	}
	return m.beginSuspension(ctx, in.OrganizationID, string(in.Reason), until)
}

func (m *Module) activate(ctx context.Context, in organizationPath) (organizationView, error) {
	return m.endSuspension(ctx, in.OrganizationID)
}

func (m *Module) archive(ctx context.Context, in archiveInput) (organizationView, error) {
	return m.change(ctx, in.OrganizationID, audit.OrganizationArchive, audit.Because(string(in.Reason), nil), func(ctx context.Context, held access.Held) error {
		return m.store.archive(ctx, in.OrganizationID, string(in.Reason), held.Caller.By(), m.now())
	})
}

func (m *Module) unarchive(ctx context.Context, in unarchiveInput) (organizationView, error) {
	var details map[string]string
	if in.Reason != nil {
		details = audit.Because(string(*in.Reason), nil)
	}
	return m.change(ctx, in.OrganizationID, audit.OrganizationRestore, details, func(ctx context.Context, held access.Held) error {
		return m.store.restore(ctx, in.OrganizationID, (*string)(in.Reason), held.Caller.By(), m.now())
	})
}
