package operator

import (
	"bytes"
	"context"
	"slices"

	"github.com/google/uuid"

	"guildhall/platform/httpapi"
)

// getStatus shows the status of the installation.
func (m *Module) getStatus(ctx context.Context, _ struct{}) (platformStatusView, error) {
	s, err := m.inspector.Status(ctx)
	return statusOf(s), err
}

// getChecks runs the production checklist.
func (m *Module) getChecks(ctx context.Context, _ struct{}) (platformChecksView, error) {
	return checksOf(m.inspector.Check(ctx), m.inspector.Config.Masked()), nil
}

// listAdministrators lists the platform administrators, by their ids.
func (m *Module) listAdministrators(ctx context.Context, in httpapi.PageInput) (page httpapi.Page[platformAdministratorView], err error) {
	w, err := in.Window()
	if err != nil {
		return page, err
	}
	found, err := m.administrators.List(ctx)
	if err != nil {
		return page, err
	}
	all := make([]platformAdministratorView, len(found))
	for i, p := range found {
		all[i] = viewOf(p)
	}
	slices.SortFunc(all, func(a, b platformAdministratorView) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return httpapi.PageOf(all, w, func(v platformAdministratorView) uuid.UUID { return v.ID }), nil
}

// getSigningKeys shows the keys that sign access tokens, and when the next one is made.
func (m *Module) getSigningKeys(ctx context.Context, _ struct{}) (signingKeysView, error) {
	keys, err := m.keys.Keys(ctx)
	if err != nil {
		return signingKeysView{}, err
	}
	v := signingKeysView{Keys: make([]signingKeyView, len(keys)), NextRotationAt: m.keys.NextRotation(keys)}
	for i, k := range keys {
		v.Keys[i] = signingKeyView{ID: k.ID, Algorithm: keyAlgorithm(k.Algorithm), State: keyState(k.State), CreatedAt: k.CreatedAt, SignsFrom: k.SignsFrom, EndsAt: k.EndsAt}
	}
	return v, nil
}
