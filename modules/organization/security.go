package organization

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/fault"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
)

// This file has an organization's policy about second factors. The gate judges each request by
// it: access.Standing.FactorRefusal.

// factorPolicy says of whom an organization asks a second factor.
type factorPolicy string

const (
	ofNobody   factorPolicy = "off"
	ofAdmins   factorPolicy = "admins"
	ofEveryone factorPolicy = "everyone"
)

func (p *factorPolicy) UnmarshalText(text []byte) error {
	return field.Choose(p, text, ofNobody, ofAdmins, ofEveryone)
}

// JSONSchema describes the policy in the OpenAPI document.
func (factorPolicy) JSONSchema() (jsonschema.Schema, error) {
	return field.Enum(ofNobody, ofAdmins, ofEveryone), nil
}

type securityView struct {
	MFA  factorPolicy `json:"mfa" description:"Of whom the organization asks a second factor: of nobody (off), of its owner and admins, or of every member."`
	From *time.Time   `json:"from" description:"Since when, or from when on; null if nobody set a time."`
	Now  factorPolicy `json:"mfa_now" description:"Of whom it asks one at present: mfa or, before from, what was in force when that was set."`

	WithoutFactor *int64 `json:"members_without_factor" example:"3" description:"How many people in the organization have no second factor, whatever the policy; null for callers other than admins."`
}

type securityInput struct {
	organizationPath
	MFA  factorPolicy `json:"mfa"`
	From *field.Time  `json:"from,omitempty" description:"When it begins, at most 90 days ahead; if absent, at once. Until then, the present policy stays in force."`
}

// longestNotice is how far ahead a policy can be announced.
const longestNotice = 90 * 24 * time.Hour

// security returns the policy.
func (svc *Service) security(ctx context.Context, in organizationPath) (securityView, error) {
	return svc.securityFor(ctx, access.From(ctx), in.OrganizationID)
}

func (svc *Service) securityFor(ctx context.Context, c access.Caller, id uuid.UUID) (view securityView, err error) {
	if view, err = svc.store.policy(ctx, id, svc.now()); err != nil || !c.May(access.Admin) {
		return view, err
	}
	view.WithoutFactor, err = svc.store.withoutFactor(ctx, id)
	return view, err
}

// secure changes the policy. It takes effect with the next request.
func (svc *Service) secure(ctx context.Context, in securityInput) (view securityView, err error) {
	from := in.From.Pointer()
	switch now := svc.now(); {
	case from == nil:
	case !from.After(now):
		return view, httpapi.Invalid("body.from", fault.NotInTheFuture)
	case from.After(now.Add(longestNotice)):
		return view, httpapi.Invalid("body.from", fault.TooFarAhead.To(int64(longestNotice/(24*time.Hour))))
	}
	return view, svc.db.InTx(ctx, func(ctx context.Context) error {
		locked, err := svc.gate.Lock(ctx, in.OrganizationID, uuid.Nil)
		if err != nil {
			return err
		}
		current := func(ctx context.Context) (securityView, error) {
			return svc.securityFor(ctx, locked.Caller, in.OrganizationID)
		}
		if err := httpapi.CheckVersion(ctx, current); err != nil {
			return err
		}
		former, err := svc.store.policy(ctx, in.OrganizationID, svc.now())
		if err != nil {
			return err
		}
		before := ofNobody
		if from != nil {
			before = former.Now // it stays in force until then // mutant: policy-meanwhile
		}
		if err := svc.store.setPolicy(ctx, in.OrganizationID, in.MFA, before, from); err != nil {
			return err
		}
		details := map[string]string{"mfa": string(in.MFA), "former_mfa": string(former.MFA)}
		if from != nil {
			details["from"] = from.Format(time.RFC3339)
		}
		if err := svc.trail.Record(ctx, audit.Event{Action: audit.OrganizationSecured, OrganizationID: audit.In(in.OrganizationID), Details: details}); err != nil {
			return err
		}
		view, err = current(ctx)
		return err
	})
}

func (s *store) policy(ctx context.Context, id uuid.UUID, now time.Time) (v securityView, err error) {
	var before factorPolicy
	if err := s.db.Row(ctx, "SELECT mfa, mfa_from, mfa_before FROM organizations WHERE id = ?", id).Scan(&v.MFA, &v.From, &before); err != nil {
		return v, fmt.Errorf("read the policy of an organization: %w", err)
	}
	if v.Now = v.MFA; v.From != nil && v.From.After(now) {
		v.Now = before
	}
	if v.From != nil {
		v.From = new(v.From.UTC())
	}
	return v, nil
}

func (s *store) setPolicy(ctx context.Context, id uuid.UUID, mfa, before factorPolicy, from *time.Time) error {
	if err := s.db.Queue(ctx, "UPDATE organizations SET mfa = ?, mfa_before = ?, mfa_from = ? WHERE id = ?", mfa, before, from, id); err != nil {
		return fmt.Errorf("set the policy of an organization: %w", err)
	}
	return nil
}

// withoutFactor counts the people of an organization who have no second factor.
func (s *store) withoutFactor(ctx context.Context, id uuid.UUID) (*int64, error) {
	n, err := s.db.Count(ctx, `SELECT COUNT(*) FROM organization_members m JOIN users u ON u.id = m.user_id
		WHERE m.organization_id = ? AND u.factor_enrolled_at IS NULL AND NOT `+access.IsService("m"), id)
	if err != nil {
		return nil, fmt.Errorf("count members without a second factor: %w", err)
	}
	return n, nil
}
