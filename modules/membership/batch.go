package membership

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/fault"
	"guildhall/platform/httpapi"
	"guildhall/platform/mail"
	"guildhall/platform/ratelimit"
)

// addingMany limits how many email addresses without an account each person may name in
// batches: a refusal reveals which ones have one. It allows two full batches at once, and
// then as many as single additions.
var addingMany = ratelimit.Policy{Name: "member-batches", Burst: 2 * mostAdded, Interval: 2 * time.Second}

// addMembers adds up to 1,000 people, or nobody. Its refusal names everybody who can't be
// added.
func (svc *Service) addMembers(ctx context.Context, in addManyInput) (answer httpapi.Created[addedView], err error) {
	candidates := in.candidates()
	if len(candidates) == 0 || len(candidates) > mostAdded {
		return answer, httpapi.Invalid("body", fault.BatchSize.From(1).To(mostAdded))
	}
	attempt := ratelimit.Demand{Policy: addingMany, Key: access.From(ctx).UserID.String(), Weight: len(in.Emails)}
	// All count before any is looked up, so that parallel requests can't exceed the limit.
	if err := svc.limits.Take(ctx, attempt); err != nil {
		return answer, err
	}
	var unknown int
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		var view addedView
		if view, unknown, err = svc.addAll(ctx, in, candidates); err != nil {
			return err
		}
		if err := svc.refund(ctx, attempt, 0); err != nil {
			return err
		}
		answer, err = httpapi.NewCreated(ctx, httpapi.BasePath+"/organizations/"+in.OrganizationID.String()+"/members", view)
		return err
	})
	err = orAlreadyMember(err)
	var refused *fault.Error
	if errors.As(err, &refused) { // which rolled back the transaction
		err = errors.Join(err, svc.refund(ctx, attempt, unknown), svc.recordRefused(ctx, in, unknown))
	}
	return answer, err
}

// refund gives back what the addresses with an account were charged.
func (svc *Service) refund(ctx context.Context, attempt ratelimit.Demand, unknown int) error {
	return svc.limits.Refund(ctx, attempt, max(attempt.Weight, 1)-max(unknown, 1))
}

func (svc *Service) recordRefused(ctx context.Context, in addManyInput, unknown int) error {
	if unknown == 0 {
		return nil
	}
	return svc.trail.Record(ctx, audit.Event{
		Action: audit.MembersRefused, OrganizationID: audit.In(in.OrganizationID), UserID: access.From(ctx).UserID,
		Details: map[string]string{"named": strconv.Itoa(len(in.UserIDs) + len(in.Emails)), "without_account": strconv.Itoa(unknown)},
	})
}

// candidate is a person whom a batch names, and where.
type candidate struct {
	addInput
	location string
}

func (in addManyInput) candidates() (list []candidate) {
	for i, id := range in.UserIDs {
		list = append(list, candidate{addInput{UserID: &id}, httpapi.Item("body.user_ids", i)})
	}
	for i, email := range in.Emails {
		list = append(list, candidate{addInput{Email: &email}, httpapi.Item("body.emails", i)})
	}
	return list
}

// addAll adds the candidates within the caller's transaction. It also returns how many have
// no account.
func (svc *Service) addAll(ctx context.Context, in addManyInput, candidates []candidate) (view addedView, unknown int, err error) {
	view = addedView{Added: []grantView{}, Existing: []uuid.UUID{}}
	skip := in.SkipExisting != nil && *in.SkipExisting
	seen := map[uuid.UUID]bool{}
	var bad []fault.Field
	for _, c := range candidates {
		who, err := svc.store.named(ctx, c.addInput)
		userID := who.id
		if err == nil && seen[userID] {
			if !skip {
				bad = append(bad, fault.Field{Location: c.location, Problem: fault.NamedTwice})
			}
			continue
		}
		var grant grantView
		if err == nil {
			seen[userID] = true
			grant, err = svc.add(ctx, in.OrganizationID, who)
		}
		switch {
		case err == nil:
			view.Added = append(view.Added, grant)
		case errors.Is(err, access.ErrUserNotFound):
			unknown++
			bad = append(bad, fault.Field{Location: c.location, Problem: fault.NoAccount})
		case errors.Is(err, errEmailUnverified):
			unknown++
			bad = append(bad, fault.Field{Location: c.location, Problem: fault.UnverifiedEmail})
		case errors.Is(err, errAlreadyMember) && skip:
			view.Existing = append(view.Existing, userID)
		case errors.Is(err, errAlreadyMember):
			bad = append(bad, fault.Field{Location: c.location, Problem: fault.AlreadyMember})
		default:
			return view, 0, err
		}
	}
	if len(bad) > 0 {
		return view, unknown, httpapi.InvalidFields(bad...)
	}
	ids := make([]uuid.UUID, len(view.Added))
	for i, v := range view.Added {
		ids[i] = v.UserID
	}
	return view, 0, svc.announce(ctx, mail.MemberAdded, in.OrganizationID, access.Member, ids...)
}
