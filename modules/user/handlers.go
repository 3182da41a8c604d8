package user

import (
	"context"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/fault"
	"guildhall/platform/httpapi"
	"guildhall/platform/roster"
)

// handlers translates requests for the service. A route without a method here is served by
// the service's method of the same name.
type handlers struct{ *Service }

func (h handlers) getMe(ctx context.Context, _ struct{}, r *self) (meView, error) {
	return viewOfSelf(access.From(ctx), r), nil
}

func (h handlers) list(ctx context.Context, in listInput) (httpapi.Page[listedUserView], error) {
	selection := in.selection()
	if len(in.IDs) > 0 && selection != (roster.Selection{}) {
		return httpapi.Page[listedUserView]{}, httpapi.Invalid("query.ids", fault.IDsAndSelection)
	}
	w, err := selection.Window(in.PageInput)
	if err != nil {
		return httpapi.Page[listedUserView]{}, err
	}
	return h.Service.list(ctx, w, in.Scope != nil, in.IDs, selection)
}

func (h handlers) create(ctx context.Context, in createInput) (created httpapi.Created[userView], err error) {
	if in.Role != nil && in.OrganizationID == nil {
		return created, httpapi.Invalid("body.role", fault.NeedsOrganization)
	}
	n := NewUser{Email: in.Email, Name: in.Name, Role: in.Role}
	if in.OrganizationID != nil {
		n.OrganizationID = uuid.NullUUID{UUID: *in.OrganizationID, Valid: true}
	}
	if in.Password != nil {
		n.Password = *in.Password
	}
	if problem := h.checkPassword(ctx, n); problem != nil {
		return created, httpapi.Invalid("body.password", problem)
	}
	err = h.Service.create(ctx, n, func(ctx context.Context, view userView) (err error) {
		created, err = httpapi.NewCreated(ctx, httpapi.BasePath+"/users/"+view.ID.String(), view)
		return err
	})
	return created, err
}

func (h handlers) updateProfile(ctx context.Context, in profileInput) (userView, error) {
	changes := map[string]any{}
	if in.Name != nil {
		changes["name"] = string(*in.Name)
	}
	if in.Bio.Set {
		changes["bio"] = in.Bio.Value
	}
	if in.AvatarURL.Set {
		changes["avatar_url"] = in.AvatarURL.Value
	}
	if in.Locale.Set {
		changes["locale"] = in.Locale.Value
	}
	return h.Service.updateProfile(ctx, in.UserID, changes)
}
