package invitation

import (
	"context"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/token"
)

// status returns what became of the offer.
func (o offer) status(now time.Time) status {
	switch {
	case o.closedAt.Valid && o.isLink:
		return revoked
	case o.closedAt.Valid:
		return o.closedAs
	case o.isLink && o.maxUses.Valid && o.uses >= o.maxUses.Int64: // mutant: link-uses
		return usedUp
	case !o.expires.After(now):
		return expired
	default:
		return open
	}
}

// checkOpen refuses an offer that is used, revoked or expired, and one whose organization
// is archived or whose inviter may not invite any more. It returns the standing of the
// inviter and the organization.
func (svc *Service) checkOpen(ctx context.Context, o offer) (access.Standing, error) {
	switch o.status(svc.now()) {
	case open:
	case revoked:
		return access.Standing{}, errRevoked
	case expired:
		return access.Standing{}, errExpired
	default:
		return access.Standing{}, errUsed
	}
	s, err := svc.gate.Of(ctx, o.inviterID, audit.In(o.organizationID))
	switch {
	case err != nil:
		return s, err
	case s.OrganizationArchived: // mutant: invited-to-archived
		return s, errRevoked
	case !mayStillOffer(s, o.role): // mutant: inviter-standing
		return s, errRevoked
	default:
		return s, nil
	}
}

// mayStillOffer reports whether an inviter may still invite people with a role.
func mayStillOffer(s access.Standing, role access.Role) bool {
	return s.AccountGood() && (s.PlatformAdmin || s.MembershipGood() && s.Role.Includes(needed(role)))
}

// checkMayAccept refuses an offer that nobody may accept now, or that this account may not.
// A token that only our mail had proves the address, and so may an unverified account use
// it. Any other proves nothing, and needs a proved address where there can be one.
func (svc *Service) checkMayAccept(ctx context.Context, o offer, a account, byToken bool) error {
	s, err := svc.checkOpen(ctx, o)
	switch {
	case err != nil:
		return err
	case s.OrganizationSuspended: // mutant: invited-to-suspended
		return access.ErrOrganizationSuspended
	case !o.matches(a.canonical): // mutant: invited-address-only
		return errAnotherAddress
	case a.verified, o.proves(byToken):
		return nil
	case svc.mail.Configured() || len(o.domains) > 0 || !byToken: // mutant: verified-invitee
		return errNotVerified
	default:
		return nil
	}
}

// proves reports whether an acceptance proves the mailbox.
func (o offer) proves(byToken bool) bool { return byToken && !o.isLink && o.delivered } // mutant: shown-url-proves-nothing

// preview shows an invitation to whoever has its token. It changes nothing.
func (svc *Service) preview(ctx context.Context, in tokenInput) (view invitationPreviewView, err error) {
	o, err := svc.store.byToken(ctx, token.HashSecret(string(in.Token)))
	if err != nil {
		return view, err
	}
	if _, err := svc.checkOpen(ctx, o); err != nil {
		return view, err
	}
	n, err := svc.store.names(ctx, o.organizationID, o.inviterID)
	if err != nil {
		return view, err
	}
	view = invitationPreviewView{OrganizationName: n.organization, InvitedByName: n.inviter, Role: o.role, ExpiresAt: o.expires.UTC()}
	if !o.isLink {
		view.Email = new(masked(o.email))
	}
	return view, nil
}

// A finder finds an offer again, under the lock of its organization.
type finder func(ctx context.Context) (offer, error)

func (svc *Service) withToken(secret field.Credential) finder {
	return func(ctx context.Context) (offer, error) {
		return svc.store.byToken(ctx, token.HashSecret(string(secret)))
	}
}

// accept makes the caller a member by a token, and returns their tokens in the organization.
func (svc *Service) accept(ctx context.Context, in tokenInput) (token.Token, error) {
	return svc.acceptAs(ctx, svc.withToken(in.Token), true)
}

// acceptMine does it by the id of an invitation for the caller's address.
func (svc *Service) acceptMine(ctx context.Context, in myInvitationPath) (token.Token, error) {
	find, err := svc.mine(ctx, in)
	if err != nil {
		return token.Token{}, err
	}
	return svc.acceptAs(ctx, find, false)
}

// mine returns a finder of an invitation for the caller's address. It refuses a caller who
// has not proved it (email_not_verified).
func (svc *Service) mine(ctx context.Context, in myInvitationPath) (finder, error) {
	a, err := svc.verified(ctx)
	return func(ctx context.Context) (offer, error) { return svc.store.byEmail(ctx, in.InvitationID, a.canonical) }, err
}

// verified returns the caller's account, if they have proved its address.
func (svc *Service) verified(ctx context.Context) (account, error) {
	a, err := svc.store.account(ctx, access.From(ctx).UserID)
	if err == nil && !a.verified { // mutant: my-invitations-verified
		err = errNotVerified
	}
	return a, err
}

// acceptAs makes the caller a member. If they have become one in the meantime, it tries
// again: at SERIALIZABLE, the snapshot may be older than the lock.
func (svc *Service) acceptAs(ctx context.Context, find finder, byToken bool) (token.Token, error) {
	answer, err := svc.acceptOnce(ctx, find, byToken)
	if database.IsDuplicate(err) {
		return svc.acceptOnce(ctx, find, byToken)
	}
	return answer, err
}

// acceptOnce locks the caller's account, as whatever changes it does, and then the
// organization.
func (svc *Service) acceptOnce(ctx context.Context, find finder, byToken bool) (answer token.Token, err error) {
	caller := access.From(ctx)
	return answer, svc.db.InTx(ctx, func(ctx context.Context) error {
		if err := svc.gate.LockUser(ctx, caller.UserID); err != nil {
			return err
		}
		o, err := svc.join(ctx, find, caller.UserID, byToken)
		if err != nil {
			return err
		}
		answer, err = svc.entrance.EnterOrganization(ctx, o.organizationID, o.proves(byToken))
		return err
	})
}

// join makes a person a member of the organization that invites them, within the caller's
// transaction. A member stays what they are.
func (svc *Service) join(ctx context.Context, find finder, userID uuid.UUID, byToken bool) (o offer, err error) {
	if o, err = find(ctx); err != nil {
		return o, err
	}
	organizationID := audit.In(o.organizationID)
	ctx = database.For(access.OutsideOrganizations(ctx), database.Tenant{OrganizationID: organizationID, UserID: userID})
	if err := svc.gate.LockOrganization(ctx, o.organizationID); err != nil { // mutant: acceptance-lock
		return o, err
	}
	if o, err = find(ctx); err != nil {
		return o, err
	}
	a, err := svc.store.account(ctx, userID)
	if err != nil {
		return o, err
	}
	if err := svc.checkMayAccept(ctx, o, a, byToken); err != nil {
		return o, err
	}
	s, err := svc.gate.Of(ctx, userID, organizationID)
	if err != nil {
		return o, err
	}
	isMember := s.Role != access.NoRole
	if err := svc.spend(ctx, o, userID, isMember); err != nil || isMember {
		return o, err
	}
	return o, svc.memberships.Join(ctx, o.organizationID, userID, o.role, o.inviterID)
}

// spend closes an invitation as accepted, or counts the use of a link by a new member.
func (svc *Service) spend(ctx context.Context, o offer, userID uuid.UUID, isMember bool) error {
	event := audit.Event{Action: audit.InvitationAccepted, OrganizationID: audit.In(o.organizationID), UserID: userID, Actor: userID}
	switch {
	case !o.isLink:
		event.Details = map[string]string{"invitation_id": o.id.String(), "role": o.role.String()}
		if err := svc.store.close(ctx, o, accepted, errUsed, svc.now()); err != nil {
			return err
		}
	case isMember:
		return nil
	default:
		event.Action, event.Details = audit.InvitationLinkUsed, map[string]string{"link_id": o.id.String()}
		if err := svc.store.use(ctx, o); err != nil {
			return err
		}
	}
	return svc.trail.Record(ctx, event)
}

// decline closes an invitation by its token.
func (svc *Service) decline(ctx context.Context, in tokenInput) (httpapi.NoContent, error) {
	return svc.declineAs(ctx, svc.withToken(in.Token))
}

// declineMine does it by the id of an invitation for the caller's address.
func (svc *Service) declineMine(ctx context.Context, in myInvitationPath) (none httpapi.NoContent, err error) {
	find, err := svc.mine(ctx, in)
	if err != nil {
		return none, err
	}
	return svc.declineAs(ctx, find)
}

func (svc *Service) declineAs(ctx context.Context, find finder) (none httpapi.NoContent, err error) {
	return none, svc.db.InTx(ctx, func(ctx context.Context) error {
		o, err := find(ctx)
		if err != nil {
			return err
		}
		if o.isLink { // is for many
			return errNotFound
		}
		ctx = database.For(access.OutsideOrganizations(ctx), database.Tenant{OrganizationID: audit.In(o.organizationID)})
		if err := svc.gate.LockOrganization(ctx, o.organizationID); err != nil {
			return err
		}
		if o, err = find(ctx); err != nil {
			return err
		}
		if _, err := svc.checkOpen(ctx, o); err != nil {
			return err
		}
		if err := svc.store.close(ctx, o, declined, errUsed, svc.now()); err != nil {
			return err
		}
		return svc.record(ctx, audit.InvitationDeclined, o)
	})
}

// listMine lists the open invitations for the caller's address.
func (svc *Service) listMine(ctx context.Context, in httpapi.PageInput) (page httpapi.Page[myInvitationView], err error) {
	w, err := in.Window()
	if err != nil {
		return page, err
	}
	a, err := svc.verified(ctx)
	if err != nil {
		return page, err
	}
	return svc.store.ofAddress(ctx, a.canonical, w, svc.now())
}

// Invited refuses a token with which a person with this address can't register, and reports
// whether it proves their mailbox.
func (svc *Service) Invited(ctx context.Context, secret, canonicalEmail string) (provesMailbox bool, err error) {
	o, err := svc.store.byToken(ctx, token.HashSecret(secret))
	if err != nil {
		return false, err
	}
	// Where mail is configured, whoever registers proves the address first.
	a := account{canonical: canonicalEmail, verified: svc.mail.Configured()}
	return o.proves(true), svc.checkMayAccept(ctx, o, a, true)
}

// Join makes a person who has just registered a member, within the transaction that creates
// their account.
func (svc *Service) Join(ctx context.Context, secret string, userID uuid.UUID) (uuid.UUID, error) {
	o, err := svc.join(ctx, svc.withToken(field.Credential(secret)), userID, true)
	return o.organizationID, err
}
