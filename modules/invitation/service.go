package invitation

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/mail"
	"guildhall/platform/ratelimit"
	"guildhall/platform/request"
	"guildhall/platform/token"
)

// Memberships stores the members of organizations.
type Memberships interface {
	// Join makes an invited person a member or an admin, within the caller's transaction.
	// The caller has locked the organization, and the person is not a member.
	Join(ctx context.Context, organizationID, userID uuid.UUID, role access.Role, inviterID uuid.UUID) error
}

// Entrance gives a person who has joined an organization their tokens there.
type Entrance interface {
	// EnterOrganization returns the caller's tokens in an organization, within their
	// transaction and under the lock of their account. If the invitation proved their
	// mailbox and nobody had before, everything that was set up until then ends.
	EnterOrganization(ctx context.Context, organizationID uuid.UUID, provesMailbox bool) (token.Token, error)
}

// Dependencies of a Service. All are required except Limits: nil limits nothing.
type Dependencies struct {
	DB          *database.DB
	Gate        *access.Gate
	Trail       *audit.Trail
	Limits      *ratelimit.Store
	Mail        *mail.Outbox
	Memberships Memberships
	LinkBase    string // of the links
	Now         func() time.Time
}

// Service implements the operations of the routes and of other modules. The handlers of the
// routes are its methods, named after the operations.
type Service struct {
	db          *database.DB
	gate        *access.Gate
	trail       *audit.Trail
	limits      *ratelimit.Store
	mail        *mail.Outbox
	memberships Memberships
	entrance    Entrance
	linkBase    string
	now         func() time.Time
	store       *store
}

// NewService returns the service. Call Connect before its first use.
func NewService(d Dependencies) *Service {
	return &Service{
		db: d.DB, gate: d.Gate, trail: d.Trail, limits: d.Limits, mail: d.Mail, memberships: d.Memberships,
		linkBase: d.LinkBase, now: d.Now, store: &store{db: d.DB},
	}
}

// Connect sets the service that depends on this one.
func (svc *Service) Connect(e Entrance) { svc.entrance = e }

// The limits on invitations: of each inviter, and of each organization. They allow full
// batches. The mails to one address have a limit that all kinds of mail share.
var (
	ofInviter      = ratelimit.Policy{Name: "invitation", Burst: 2 * mostInvited, Interval: 30 * time.Second}
	ofOrganization = ratelimit.Policy{Name: "organization-invitation", Burst: 3 * mostInvited, Interval: 20 * time.Second}
)

// take counts invitations.
func (svc *Service) take(ctx context.Context, organizationID uuid.UUID, n int) error {
	return svc.limits.Take(ctx,
		ratelimit.Demand{Policy: ofOrganization, Key: organizationID.String(), Weight: n},     // mutant: organization-invitations
		ratelimit.Demand{Policy: ofInviter, Key: access.From(ctx).UserID.String(), Weight: n}, // mutant: inviter-invitations
	)
}

// takeMail counts a mail to an address.
func (svc *Service) takeMail(ctx context.Context, o offer) error {
	if !o.delivered {
		return nil
	}
	return svc.limits.Take(ctx, ratelimit.Demand{Policy: mail.PerAddress, Key: o.canonical}) // mutant: invited-address
}

// defaultLifetime is how long an invitation is open.
const defaultLifetime = 7 * 24 * time.Hour

func lifetime(hours *field.Hours) time.Duration {
	if hours == nil {
		return defaultLifetime
	}
	return time.Duration(*hours) * time.Hour
}

// link returns the link to an invitation.
func (svc *Service) link(secret string) string {
	return token.Link(svc.linkBase+"/account/invitation", secret)
}

// checkMail refuses to send a mail where none can be sent (mail_not_configured).
func (svc *Service) checkMail(deliver bool) error {
	if deliver && !svc.mail.Configured() {
		return mail.ErrNotConfigured
	}
	return nil
}

// checkMayOffer refuses a caller who may not invite people with a role: only the owner
// makes admins (insufficient_role).
func checkMayOffer(c access.Caller, role access.Role) error {
	if !c.May(needed(role)) { // mutant: invited-admin
		return access.ErrInsufficientRole
	}
	return nil
}

// needed returns the role that an inviter needs.
func needed(invited access.Role) access.Role {
	if invited == access.Admin {
		return access.Owner
	}
	return access.Admin
}

// invite invites a person. It refuses a member (already_member) and a person with an open
// invitation (already_invited). The answer does not show whether there is an account.
func (svc *Service) invite(ctx context.Context, in inviteInput) (answer httpapi.Created[invitationView], err error) {
	o := offer{organizationID: in.OrganizationID, email: string(in.Email), canonical: in.Email.Canonical(), role: in.Role.Role(), delivered: in.Deliver == nil || *in.Deliver}
	if err := svc.checkMail(o.delivered); err != nil {
		return answer, err
	}
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		locked, err := svc.gate.Lock(ctx, in.OrganizationID, uuid.Nil)
		if err != nil {
			return err
		}
		if err := checkMayOffer(locked.Caller, o.role); err != nil {
			return err
		}
		if err := svc.checkNotMember(ctx, o); err != nil {
			return err
		}
		if err := svc.checkNotInvited(ctx, o); err != nil {
			return err
		}
		if err := svc.take(ctx, in.OrganizationID, 1); err != nil {
			return err
		}
		o.created = svc.now()
		o.expires = o.created.Add(lifetime(in.ExpiresInHours))
		n, err := svc.store.names(ctx, in.OrganizationID, locked.Caller.UserID)
		if err != nil {
			return err
		}
		url, err := svc.add(ctx, &o, n)
		if err != nil {
			return err
		}
		// What is kept for an Idempotency-Key has no URL.
		answer, err = httpapi.NewCreated(ctx, location(in.OrganizationID, "/invitations/"+o.id.String()), o.view(n.inviter, svc.now()))
		answer.Body.URL = url
		return err
	})
	return answer, orAlreadyInvited(err)
}

// orAlreadyInvited returns the refusal for a person who was invited in the meantime: at
// SERIALIZABLE, the snapshot may be older than the lock.
func orAlreadyInvited(err error) error {
	if database.IsDuplicate(err) {
		return errAlreadyInvited
	}
	return err
}

func location(organizationID uuid.UUID, rest string) string {
	return httpapi.BasePath + "/organizations/" + organizationID.String() + rest
}

func (svc *Service) checkNotMember(ctx context.Context, o offer) error {
	members, err := svc.store.members(ctx, o.organizationID, []string{o.canonical})
	if err == nil && members[o.canonical] {
		err = errAlreadyMember
	}
	return err
}

func (svc *Service) checkNotInvited(ctx context.Context, o offer) error {
	invited, err := svc.store.invited(ctx, o.organizationID, []string{o.canonical}, svc.now())
	if err == nil && invited[o.canonical] {
		err = errAlreadyInvited
	}
	return err
}

// add stores an invitation by the caller with its mail, within their transaction. It returns
// the URL if no mail has it.
func (svc *Service) add(ctx context.Context, o *offer, n names) (*string, error) {
	if err := svc.takeMail(ctx, *o); err != nil {
		return nil, err
	}
	o.id, o.inviterID = uuid.Must(uuid.NewV7()), access.From(ctx).UserID
	secret := token.NewSecret()
	hash := token.HashSecret(secret)
	if err := svc.store.add(ctx, *o, hash); err != nil {
		return nil, err
	}
	if err := svc.record(ctx, audit.InvitationCreated, *o); err != nil {
		return nil, err
	}
	return svc.deliver(ctx, *o, secret, n)
}

// deliver sends the link of an invitation, or returns it.
func (svc *Service) deliver(ctx context.Context, o offer, secret string, n names) (*string, error) {
	url := svc.link(secret)
	if !o.delivered {
		return &url, nil
	}
	return nil, svc.mail.Send(ctx, mail.Mail{
		To: o.email, Kind: mail.Invitation, Locale: request.From(ctx).Locale, NotAfter: o.expires,
		Data: mail.Data{Organization: n.organization, Actor: n.inviter, Role: o.role.String(), Link: url, At: svc.now(), Expires: o.expires},
	})
}

// record records what happened to an invitation. The audit log outlives the invitation, and
// does not need the whole address.
func (svc *Service) record(ctx context.Context, action audit.Action, o offer) error {
	return svc.trail.Record(ctx, audit.Event{
		Action: action, OrganizationID: audit.In(o.organizationID),
		Details: map[string]string{"invitation_id": o.id.String(), "email": masked(o.email), "role": o.role.String()},
	})
}

// masked returns an address without all but its first character and its domain.
func masked(email string) string {
	local, domain, _ := strings.Cut(email, "@")
	_, n := utf8.DecodeRuneInString(local)
	return local[:n] + "•••@" + domain
}

// listInvitations lists the invitations of the organization.
func (svc *Service) listInvitations(ctx context.Context, in listInput) (page httpapi.Page[invitationView], err error) {
	w, err := in.Window()
	if err != nil {
		return page, err
	}
	var f filter
	if in.Status != nil {
		f.status = *in.Status
	}
	if in.Query != nil {
		f.prefix = in.Query.CanonicalEmail()
	}
	return svc.store.list(ctx, in.OrganizationID, f, w, svc.now())
}

// lockInvitation locks the organization and returns an open invitation, which may have
// expired. It refuses one that is unknown or closed, and one that the caller could not have
// made.
func (svc *Service) lockInvitation(ctx context.Context, in invitationPath) (o offer, err error) {
	locked, err := svc.gate.Lock(ctx, in.OrganizationID, uuid.Nil)
	if err != nil {
		return o, err
	}
	if o, err = svc.store.of(ctx, in.OrganizationID, in.InvitationID); err != nil {
		return o, err
	}
	if err := checkMayOffer(locked.Caller, o.role); err != nil {
		return o, err
	}
	if o.closedAt.Valid {
		return o, errClosed
	}
	return o, nil
}

// revokeInvitation revokes an invitation.
func (svc *Service) revokeInvitation(ctx context.Context, in invitationPath) (none httpapi.NoContent, err error) {
	return none, svc.db.InTx(ctx, func(ctx context.Context) error {
		o, err := svc.lockInvitation(ctx, in)
		if err != nil {
			return err
		}
		if err := svc.store.close(ctx, o, revoked, errClosed, svc.now()); err != nil {
			return err
		}
		return svc.record(ctx, audit.InvitationRevoked, o)
	})
}

// resendInvitation replaces the token and the expiry of an invitation, and sends it again.
func (svc *Service) resendInvitation(ctx context.Context, in resendInput) (view invitationView, err error) {
	deliver := in.Deliver == nil || *in.Deliver
	if err := svc.checkMail(deliver); err != nil {
		return view, err
	}
	return view, svc.db.InTx(ctx, func(ctx context.Context) error {
		o, err := svc.lockInvitation(ctx, in.invitationPath)
		if err != nil {
			return err
		}
		if err := svc.checkNotMember(ctx, o); err != nil {
			return err
		}
		if err := svc.take(ctx, in.OrganizationID, 1); err != nil {
			return err
		}
		o.delivered, o.expires = deliver, svc.now().Add(lifetime(in.ExpiresInHours))
		if err := svc.takeMail(ctx, o); err != nil {
			return err
		}
		secret := token.NewSecret()
		hash := token.HashSecret(secret)
		if err := svc.store.renew(ctx, o, hash); err != nil {
			return err
		}
		n, err := svc.store.names(ctx, in.OrganizationID, o.inviterID)
		if err != nil {
			return err
		}
		url, err := svc.deliver(ctx, o, secret, n)
		if err != nil {
			return err
		}
		view = o.view(n.inviter, svc.now())
		view.URL = url
		return svc.record(ctx, audit.InvitationResent, o)
	})
}

// createLink makes a link with which plain members join.
func (svc *Service) createLink(ctx context.Context, in linkInput) (answer httpapi.Created[invitationLinkView], err error) {
	if err := svc.checkMail(len(in.Domains) > 0); err != nil {
		return answer, err
	}
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		locked, err := svc.gate.Lock(ctx, in.OrganizationID, uuid.Nil)
		if err != nil {
			return err
		}
		if err := svc.take(ctx, in.OrganizationID, 1); err != nil {
			return err
		}
		o := offer{
			isLink: true, id: uuid.Must(uuid.NewV7()), organizationID: in.OrganizationID, inviterID: locked.Caller.UserID,
			role: access.Member, created: svc.now(), expires: svc.now().Add(lifetime(in.ExpiresInHours)),
		}
		for _, d := range in.Domains {
			o.domains = append(o.domains, string(d))
		}
		if in.MaxUses != nil {
			o.maxUses = sql.NullInt64{Int64: int64(*in.MaxUses), Valid: true}
		}
		secret := token.NewSecret()
		hash := token.HashSecret(secret)
		if err := svc.store.addLink(ctx, o, hash); err != nil {
			return err
		}
		n, err := svc.store.names(ctx, in.OrganizationID, o.inviterID)
		if err != nil {
			return err
		}
		if err := svc.recordLink(ctx, audit.InvitationLinkCreated, in.OrganizationID, o.id); err != nil {
			return err
		}
		// What is kept for an Idempotency-Key has no URL.
		answer, err = httpapi.NewCreated(ctx, location(in.OrganizationID, "/invitation-links/"+o.id.String()), o.linkView(n.inviter, svc.now()))
		answer.Body.URL = new(svc.link(secret))
		return err
	})
	return answer, err
}

func (svc *Service) recordLink(ctx context.Context, action audit.Action, organizationID, id uuid.UUID) error {
	return svc.trail.Record(ctx, audit.Event{Action: action, OrganizationID: audit.In(organizationID), Details: map[string]string{"link_id": id.String()}})
}

// listLinks lists the links of the organization.
func (svc *Service) listLinks(ctx context.Context, in listLinksInput) (page httpapi.Page[invitationLinkView], err error) {
	w, err := in.Window()
	if err != nil {
		return page, err
	}
	return svc.store.listLinks(ctx, in.OrganizationID, w, svc.now())
}

// revokeLink revokes a link.
func (svc *Service) revokeLink(ctx context.Context, in linkPath) (none httpapi.NoContent, err error) {
	return none, svc.db.InTx(ctx, func(ctx context.Context) error {
		if _, err := svc.gate.Lock(ctx, in.OrganizationID, uuid.Nil); err != nil {
			return err
		}
		if err := svc.store.closeLink(ctx, in.OrganizationID, in.LinkID, svc.now()); err != nil {
			return err
		}
		return svc.recordLink(ctx, audit.InvitationLinkRevoked, in.OrganizationID, in.LinkID)
	})
}

// Withdraw revokes what a person offered to others and may not offer any more, within the
// transaction that takes their role or standing: in one organization, or in all. They keep
// a role: an admin's invitations of plain members stay.
func (svc *Service) Withdraw(ctx context.Context, organizationID uuid.NullUUID, userID uuid.UUID, kept access.Role) error {
	counts, err := svc.store.withdraw(ctx, userID, organizationID, kept.Includes(access.Admin), svc.now())
	if err != nil {
		return err
	}
	if !organizationID.Valid {
		ctx = access.OutsideOrganizations(ctx)
	}
	for id, n := range counts {
		err := svc.trail.Record(ctx, audit.Event{
			Action: audit.InvitationsWithdrawn, OrganizationID: audit.In(id), UserID: userID, Details: map[string]string{"count": strconv.Itoa(n)},
		})
		if err != nil {
			return err
		}
	}
	return nil
}
