package membership

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/fault"
	"guildhall/platform/httpapi"
	"guildhall/platform/ratelimit"
)

// addingMany limits how many email addresses each person may try in batches. It allows two
// full batches at once, and then as many addresses as single additions.
var addingMany = ratelimit.Policy{Name: "member-batches", Burst: 2 * mostAdded, Interval: 2 * time.Second}

// addMembers adds up to 1,000 people, or nobody. Its refusal names everybody who can't be
// added.
func (svc *Service) addMembers(ctx context.Context, in addManyInput) (answer httpapi.Created[addedView], err error) {
	candidates := in.candidates()
	if len(candidates) == 0 || len(candidates) > mostAdded {
		return answer, httpapi.Invalid("body", fault.BatchSize.From(1).To(mostAdded))
	}
	attempt := ratelimit.Demand{Policy: addingMany, Key: access.From(ctx).UserID.String(), Weight: len(in.Emails)}
	err = svc.counting(ctx, attempt, func(ctx context.Context) error {
		view, err := svc.addAll(ctx, in, candidates)
		if err != nil {
			return err
		}
		answer, err = httpapi.NewCreated(ctx, httpapi.BasePath+"/organizations/"+in.OrganizationID.String()+"/members", view)
		return err
	})
	return answer, err
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

// addAll adds the candidates within the caller's transaction.
func (svc *Service) addAll(ctx context.Context, in addManyInput, candidates []candidate) (addedView, error) {
	view := addedView{Added: []grantView{}, Existing: []uuid.UUID{}}
	skip := in.SkipExisting != nil && *in.SkipExisting
	seen := map[uuid.UUID]bool{}
	var bad []fault.Field
	for _, c := range candidates {
		userID, err := svc.store.idOf(ctx, c.addInput)
		if err == nil && seen[userID] {
			if !skip {
				bad = append(bad, fault.Field{Location: c.location, Problem: fault.Repeated})
			}
			continue
		}
		var grant grantView
		if err == nil {
			seen[userID] = true
			grant, err = svc.add(ctx, in.OrganizationID, userID)
		}
		switch {
		case err == nil:
			view.Added = append(view.Added, grant)
		case errors.Is(err, access.ErrUserNotFound):
			bad = append(bad, fault.Field{Location: c.location, Problem: fault.NoAccount})
		case errors.Is(err, errAlreadyMember) && skip:
			view.Existing = append(view.Existing, userID)
		case errors.Is(err, errAlreadyMember):
			bad = append(bad, fault.Field{Location: c.location, Problem: fault.AlreadyMember})
		default:
			return view, err
		}
	}
	if len(bad) > 0 {
		return view, httpapi.InvalidFields(bad...)
	}
	return view, nil
}
