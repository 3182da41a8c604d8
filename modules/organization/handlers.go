package organization

import (
	"context"

	"guildhall/platform/access"
	"guildhall/platform/httpapi"
)

// handlers translates requests for the service. A route without a method here is served by
// the service's method of the same name.
type handlers struct{ *Service }

func (h handlers) list(ctx context.Context, in listInput) (httpapi.Page[membershipView], error) {
	w, err := in.Window()
	if err != nil {
		return httpapi.Page[membershipView]{}, err
	}
	caller := access.From(ctx)
	if in.Scope != nil && !caller.PlatformAdmin {
		return httpapi.Page[membershipView]{}, access.ErrPlatformAdminRequired
	}
	archived := in.IncludeArchived != nil && *in.IncludeArchived
	return h.store.list(ctx, caller.UserID, in.Scope != nil, archived, w, h.now())
}
