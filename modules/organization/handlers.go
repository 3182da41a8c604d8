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

func (h handlers) list(ctx context.Context, in listInput) (page httpapi.Page[membershipView], err error) {
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
	if in.Standing != nil && in.Scope == nil {
		return httpapi.Page[membershipView]{}, httpapi.Invalid("query.standing", fault.NeedsScopeAll)
	}
	archived := in.IncludeArchived != nil && *in.IncludeArchived
	if in.Scope != nil {
		page, err = h.store.listAll(ctx, caller.UserID, in.Search, in.Standing, archived, w, h.now())
	} else {
		page, err = h.store.list(ctx, caller.UserID, archived, w, h.now())
	}
	for i := range page.Items {
		page.Items[i].reveal(caller)
	}
	return page, err
}
