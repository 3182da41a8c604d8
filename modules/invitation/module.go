// Package invitation invites people to organizations: by mail, or by a link that an admin
// gives to them.
package invitation

import (
	"guildhall/platform/access"
	"guildhall/platform/httpapi"
	"guildhall/platform/mail"
	"guildhall/platform/migrate"
	"guildhall/platform/module"
	"guildhall/platform/ratelimit"
)

// Module registers the routes and tables of invitations and invitation links.
type Module struct{ *Service }

var _ module.Module = (*Module)(nil)

// NewModule returns the module that serves the service.
func NewModule(svc *Service) *Module { return &Module{svc} }

// Name implements module.Module.
func (*Module) Name() string { return "invitation" }

// Migrations implements module.Module.
func (*Module) Migrations() []migrate.Migration { return migrations() }

// Routes implements module.Module.
func (m *Module) Routes(r *httpapi.Router) {
	r.Describe("Invitations to an organization, by mail or by a link.")
	const invitations, links = "/organizations/:organization_id/invitations", "/organizations/:organization_id/invitation-links"
	admin := access.Org(access.Admin)
	unusable := httpapi.Refusals(errNotFound, errExpired, errRevoked, errUsed)
	unacceptable := append(unusable, errAnotherAddress, errNotVerified,
		access.ErrOrganizationNotFound, access.ErrOrganizationSuspended, access.ErrMembershipSuspended, access.ErrMembershipInactive,
		access.ErrStepUpRequired, access.ErrFactorRequired)

	httpapi.Get(r, invitations, admin, m.listInvitations, httpapi.Doc{
		ID: "listInvitations", Summary: "List invitations", MayLag: true,
		Description: "Those that are closed or expired are kept for 30 days. No answer shows the link of an invitation again.",
	})
	httpapi.Post(r, invitations, admin, m.invite, httpapi.Doc{
		ID: "invite", Summary: "Invite a person",
		Description: "The answer is the same whether the address has an account or not. The mail has a link to the page `/account/invitation` with a token in the fragment, which `/invitations/preview`, `/invitations/accept`, `/invitations/decline` and `/auth/register` take. " +
			"Whoever accepts with a link that only the mail had has proved the address. With `deliver: false` no mail is sent, the answer has the link once, and the link proves no address.\n\n" +
			"An invitation is revoked when the inviter may not invite any more.",
		Refusals: httpapi.Refusals(errAlreadyMember, errAlreadyInvited, mail.ErrNotConfigured, ratelimit.Refusal()),
	})
	httpapi.Post(r, invitations+"/batch", admin, m.inviteMany, httpapi.Doc{
		ID: "inviteMany", Summary: "Invite up to 1,000 people", CSV: true, Large: true,
		Description: "All or nobody: if one can't be invited, `errors` names each of them, and nobody is invited. The body is JSON or `text/csv` with the header line `email,role` (`role` may be absent or empty). With a CSV the other members are query parameters, and `errors` names rows (`row 17`) as a spreadsheet numbers them: the header is row 1. " +
			"A person who is a member, is invited, or is named twice can't be invited; `skip_existing` skips them.\n\n" +
			"With `dry_run` the answer is 200 with what would happen, and nothing is stored, sent or counted. `Location` is that of the list of invitations.",
		Refusals: httpapi.Refusals(mail.ErrNotConfigured, ratelimit.Refusal()),
	})
	httpapi.Delete(r, invitations+"/:invitation_id", admin, m.revokeInvitation, httpapi.Doc{
		ID: "revokeInvitation", Summary: "Revoke an invitation",
		Refusals: httpapi.Refusals(errNotFound, errClosed),
	})
	httpapi.Post(r, invitations+"/:invitation_id/resend", admin, m.resendInvitation, httpapi.Doc{
		ID: "resendInvitation", Summary: "Send an invitation again",
		Description: "With a new link, for which the expiry is new. The former link is invalid from now on. An expired invitation can be sent again, too.",
		Refusals:    httpapi.Refusals(errNotFound, errClosed, errAlreadyMember, mail.ErrNotConfigured, ratelimit.Refusal()),
	})
	httpapi.Get(r, links, admin, m.listLinks, httpapi.Doc{
		ID: "listInvitationLinks", Summary: "List invitation links", MayLag: true,
		Description: "Those that are revoked or expired are kept for 30 days. The URLs are not shown again.",
	})
	httpapi.Post(r, links, admin, m.createLink, httpapi.Doc{
		ID: "createInvitationLink", Summary: "Make a link with which people join",
		Description: "As plain members. Everybody who has the link may use it, with a confirmed address where mail is configured. `domains` needs mail: without, no address can be proved.",
		Refusals:    httpapi.Refusals(mail.ErrNotConfigured, ratelimit.Refusal()),
	})
	httpapi.Delete(r, links+"/:link_id", admin, m.revokeLink, httpapi.Doc{
		ID: "revokeInvitationLink", Summary: "Revoke an invitation link",
		Description: "Who has joined with it stays.",
		Refusals:    httpapi.Refusals(errLinkNotFound, errClosed),
	})

	httpapi.Post(r, "/invitations/preview", access.Public(), m.preview, httpapi.Doc{
		ID: "previewInvitation", Summary: "Show an invitation to whoever has its link",
		Description: "Changes nothing: a mail scanner may follow the link.",
		Refusals:    unusable,
	})
	httpapi.Post(r, "/invitations/accept", access.SignedIn(), m.accept, httpapi.Doc{
		ID: "acceptInvitation", Summary: "Join an organization with an invitation",
		Description: "The tokens of the answer are for that organization, as those of `/auth/switch-organization`. A member keeps their role. A refusal uses nothing up. An organization that asks its members for a second factor takes in only a session that has proved one.\n\n" +
			"A link that only the mail had proves the address. If nobody had proved it before, everything that was set up until then ends, with the password and all sessions, and the tokens are those of a new session: somebody else may have registered the address. " +
			"A link that a person passed on, and an invitation link, need a confirmed address where mail is configured.",
		Refusals: unacceptable,
	})
	httpapi.Post(r, "/invitations/decline", access.Public(), m.decline, httpapi.Doc{
		ID: "declineInvitation", Summary: "Decline an invitation",
		Description: "An invitation link is for many and can't be declined: the answer is 404.",
		Refusals:    unusable,
	})
	httpapi.Get(r, "/auth/me/invitations", access.SignedIn(), m.listMine, httpapi.Doc{
		ID: "listMyInvitations", Summary: "List the open invitations for one's address",
		Description: "The address has to be confirmed.",
		Refusals:    httpapi.Refusals(errNotVerified),
	})
	httpapi.Post(r, "/auth/me/invitations/:invitation_id/accept", access.SignedIn(), m.acceptMine, httpapi.Doc{
		ID: "acceptMyInvitation", Summary: "Join an organization, without the link",
		Description: "The address has to be confirmed. Otherwise as `/invitations/accept`.",
		Refusals:    unacceptable,
	})
	httpapi.Post(r, "/auth/me/invitations/:invitation_id/decline", access.SignedIn(), m.declineMine, httpapi.Doc{
		ID: "declineMyInvitation", Summary: "Decline an invitation, without the link",
		Description: "The address has to be confirmed.",
		Refusals:    append(unusable, errNotVerified),
	})
}
