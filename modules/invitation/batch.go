package invitation

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"guildhall/platform/fault"
	"guildhall/platform/httpapi"
	"guildhall/platform/ratelimit"
)

// inviteMany invites up to 1,000 people, or nobody. Its refusal names everybody who can't
// be invited. A dry run does everything but write.
func (svc *Service) inviteMany(ctx context.Context, in batchInput) (answer httpapi.Tried[invitationBatchView], err error) {
	if len(in.Invitations) == 0 || len(in.Invitations) > mostInvited {
		return answer, httpapi.Invalid("body", fault.InvitationCount.From(1).To(mostInvited))
	}
	if err := svc.checkMail(true); err != nil {
		return answer, err
	}
	answer.Dry = in.DryRun != nil && *in.DryRun
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		locked, err := svc.gate.Lock(ctx, in.OrganizationID, uuid.Nil)
		if err != nil {
			return err
		}
		for _, i := range in.Invitations {
			if err := checkMayOffer(locked.Caller, i.Role.Role()); err != nil {
				return err
			}
		}
		people, skipped, err := svc.choose(ctx, in)
		if err != nil {
			return err
		}
		view := invitationBatchView{DryRun: answer.Dry, Invited: []invitedPersonView{}, Skipped: skipped}
		if !answer.Dry {
			if err := svc.addAll(ctx, in, people, locked.Caller.UserID); err != nil {
				return err
			}
		}
		for _, p := range people {
			view.Invited = append(view.Invited, invitedPersonView{ID: uuid.NullUUID{UUID: p.id, Valid: !answer.Dry}, Email: p.email, Role: p.role})
		}
		if answer.Dry {
			answer.Body = view
			return nil
		}
		answer.Created, err = httpapi.NewCreated(ctx, location(in.OrganizationID, "/invitations"), view)
		return err
	})
	return answer, orAlreadyInvited(err)
}

// candidate is a person to be invited, and where the request names them.
type candidate struct {
	offer
	location string
}

// choose returns the people to be invited, and those to be skipped.
func (svc *Service) choose(ctx context.Context, in batchInput) (people []*candidate, skipped []skippedPersonView, err error) {
	emails := make([]string, len(in.Invitations))
	for i, p := range in.Invitations {
		emails[i] = p.Email.Canonical()
	}
	members, err := svc.store.members(ctx, in.OrganizationID, emails)
	if err != nil {
		return nil, nil, err
	}
	invited, err := svc.store.invited(ctx, in.OrganizationID, emails, svc.now())
	if err != nil {
		return nil, nil, err
	}
	skip := in.SkipExisting != nil && *in.SkipExisting
	seen := map[string]bool{}
	skipped = []skippedPersonView{}
	var bad []fault.Field
	for i, p := range in.Invitations {
		email, at := emails[i], p.Location("email")
		problem := fault.Problem{}
		switch {
		case members[email]:
			problem = fault.AlreadyMember
		case invited[email]:
			problem = fault.AlreadyInvited
		case seen[email]:
			problem = fault.NamedTwice
		}
		seen[email] = true
		switch {
		case problem.Code == "":
			people = append(people, &candidate{offer{
				organizationID: in.OrganizationID, email: string(p.Email), canonical: email, role: p.Role.Role(), delivered: true,
				created: svc.now(), expires: svc.now().Add(lifetime(in.ExpiresInHours)),
			}, at})
		case skip:
			skipped = append(skipped, skippedPersonView{Email: string(p.Email), Reason: problem.Code})
		default:
			bad = append(bad, fault.Field{Location: at, Problem: problem})
		}
	}
	if len(bad) > 0 {
		return nil, nil, httpapi.InvalidFields(bad...)
	}
	return people, skipped, nil
}

// addAll stores the invitations with their mails, within the caller's transaction.
func (svc *Service) addAll(ctx context.Context, in batchInput, people []*candidate, inviterID uuid.UUID) error {
	if len(people) == 0 {
		return nil
	}
	if err := svc.take(ctx, in.OrganizationID, len(people)); err != nil {
		return err
	}
	n, err := svc.store.names(ctx, in.OrganizationID, inviterID)
	if err != nil {
		return err
	}
	var bad []fault.Field
	for _, p := range people {
		_, err := svc.add(ctx, &p.offer, n)
		switch {
		case errors.Is(err, ratelimit.Refusal()):
			bad = append(bad, fault.Field{Location: p.location, Problem: fault.MailedTooOften})
		case err != nil:
			return err
		}
	}
	if len(bad) > 0 {
		return httpapi.InvalidFields(bad...)
	}
	return nil
}
