package organization

import (
	"context"

	"guildhall/platform/access"
	"guildhall/platform/fault"
	"guildhall/platform/httpapi"
)

// handlers translates requests for the service. A route without a method here is served by
// the service's method of the same name.
type handlers struct{ *Service }

func (h handlers) list(ctx context.Context, in listInput) (httpapi.Page[membershipView], error) {
	window := in.Window
	if in.Search != nil {
		window = in.KeyedWindow
	}
	w, err := window()
	if err != nil {
		return httpapi.Page[membershipView]{}, err
	}
	caller := access.From(ctx)
	if in.Scope != nil && !caller.PlatformAdmin {
		return httpapi.Page[membershipView]{}, access.ErrPlatformAdminRequired
	}
	if in.Search != nil && in.Scope == nil {
		return httpapi.Page[membershipView]{}, httpapi.Invalid("query.q", fault.NeedsScopeAll)
	}
	archived := in.IncludeArchived != nil && *in.IncludeArchived
	if in.Search != nil {
		return h.store.search(ctx, caller.UserID, *in.Search, archived, w, h.now())
	}
	return h.store.list(ctx, caller.UserID, in.Scope != nil, archived, w, h.now())
}
