package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/revocation"
)

// revokes says for each action which tokens do not hold any more afterwards. It is the only
// place that does: a program that reads the feed of revocations must refuse whatever the gate
// refuses. Too much is mended by a refresh, too little is not. The last tokens of today expire
// at the given time.
var revokes = map[Action]func(e Event, last time.Time) []revocation.Mark{
	UserRegistered:          nothing,
	UserCreated:             nothing,
	UserActivated:           nothing,
	UserDeactivated:         person, // mutant: revokes-person
	UserSuspended:           person,
	UserAmended:             nothing, // the suspension goes on
	UserArchived:            person,
	UserUnarchived:          nothing,
	UserErasureRequested:    nothing, // user.archived ends what there is
	UserErasureCancelled:    nothing,
	UserErased:              nothing, // nor of a restored backup: database.restored does
	UserUnlocked:            nothing,
	ProfileChanged:          nothing,
	PasswordChanged:         nothing, // session.ended says which sessions end with it
	FactorAdded:             nothing, // so it does with a factor
	FactorRemoved:           person,  // also of the session that stays, and of API keys // mutant: revokes-factor
	FactorsReset:            person,  // API keys stay
	RecoveryCodesCreated:    nothing,
	FactorRecoveryStarted:   nothing,
	FactorRecoveryCancelled: nothing,
	FactorsRecovered:        person,
	RecoveryCodeUsed:        nothing,
	PasskeyRefused:          nothing,
	IdentityLinked:          nothing,
	IdentityUnlinked:        nothing, // session.ended says which sessions end with it
	EmailVerified:           nothing, // so do those that a first proof of the mailbox ends
	EmailChanged:            nothing,
	ChangeDisavowed:         nothing, // session.ended says it, also of API keys

	LogInFailed:          nothing,
	SessionStarted:       nothing,
	SessionEnded:         sessions, // mutant: revokes-sessions
	SessionSwitched:      sessions, // those that a log-in has no place for // mutant: revokes-branches
	RefreshTokenReused:   nothing,  // session.ended says it
	OrganizationCreated:  nothing,
	OrganizationRenamed:  nothing,
	OrganizationSecured:  organization, // whom the policy refuses now, a refresh shows // mutant: revokes-policy
	OrganizationSuspend:  organization, // mutant: revokes-organization
	OrganizationAmended:  nothing,
	OrganizationActivate: nothing,
	OrganizationArchive:  organization,
	OrganizationRestore:  nothing,
	OrganizationImported: nothing,

	MemberAdded:          nothing,
	MemberRemoved:        person, // mutant: revokes-member
	MembersRefused:       nothing,
	MemberLeft:           person,
	AdminGranted:         personIfAsked, // mutant: revokes-promoted
	AdminRevoked:         person,        // a token may have the role, or scopes that need it // mutant: revokes-demoted
	OwnershipTransferred: bothOwners,    // mutant: revokes-owners

	InvitationCreated:     nothing,
	InvitationResent:      nothing,
	InvitationRevoked:     nothing,
	InvitationAccepted:    nothing,
	InvitationDeclined:    nothing,
	InvitationLinkCreated: nothing,
	InvitationLinkRevoked: nothing,
	InvitationLinkUsed:    nothing,
	InvitationsWithdrawn:  nothing,

	ServiceAccountCreated: nothing,
	APIKeyCreated:         nothing,
	APIKeyRotated:         formerKey, // mutant: revokes-former-key
	APIKeyRevoked:         apiKey,    // mutant: revokes-key
	APIRegistered:         nothing,
	APIChanged:            nothing, // it judges scopes by itself
	APIRemoved:            nothing, // nobody takes its tokens; user.archived ends its keys

	PlatformAdminGranted: nothing,
	PlatformAdminRevoked: person,

	SigningKeyCreated: everybodyIfStolen, // mutant: revokes-stolen
	DatabaseRestored:  everybody,         // mutant: revokes-restored
	EventsErased:      nothing,
	RowSecurityOn:     nothing,
	RowSecurityOff:    nothing,

	OperationForbidden: nothing,
}

// revoke writes what events revoke, within the caller's transaction.
func (t *Trail) revoke(ctx context.Context, events ...Event) error {
	for _, e := range events {
		marks, known := revokes[e.Action]
		if !known {
			return fmt.Errorf("audit: %s does not say what it revokes", e.Action)
		}
		if err := t.revocations.Add(ctx, marks(e, t.now().Add(t.revocations.Longest()))...); err != nil {
			return err
		}
	}
	return nil
}

func nothing(Event, time.Time) []revocation.Mark { return nil }

// person is about the person of an event: in its organization, if it is in one.
func person(e Event, _ time.Time) []revocation.Mark {
	if e.OrganizationID.Valid {
		return []revocation.Mark{revocation.OfMember(e.OrganizationID.UUID, e.UserID)}
	}
	return []revocation.Mark{revocation.OfPerson(e.UserID)}
}

// personIfAsked is about the person, if the organization asks its admins for a second factor.
func personIfAsked(e Event, last time.Time) []revocation.Mark {
	if e.Details["second_factor"] == "" {
		return nil
	}
	return person(e, last)
}

// mostSessions is how many sessions have marks of their own.
const mostSessions = 8

// sessions is about the sessions that ended. Of many, it is about all of the person's.
func sessions(e Event, _ time.Time) (marks []revocation.Mark) {
	if len(e.Sessions) > mostSessions {
		return []revocation.Mark{revocation.OfPerson(e.UserID)}
	}
	for _, id := range e.Sessions {
		marks = append(marks, revocation.OfSession(id, e.UserID))
	}
	return marks
}

func organization(e Event, _ time.Time) []revocation.Mark {
	return []revocation.Mark{revocation.OfOrganization(e.OrganizationID.UUID)}
}

func everybody(Event, time.Time) []revocation.Mark {
	return []revocation.Mark{revocation.OfEverybody()}
}

// everybodyIfStolen is about all tokens, if the keys that signed them are invalid now.
func everybodyIfStolen(e Event, _ time.Time) []revocation.Mark {
	if e.Details["revoked"] == "" {
		return nil
	}
	return []revocation.Mark{revocation.OfEverybody()}
}

// bothOwners is about the person who is only an admin now, and about the new owner, of whom the
// organization may ask a second factor.
func bothOwners(e Event, now time.Time) []revocation.Mark {
	former := revocation.OfMember(e.OrganizationID.UUID, uuid.MustParse(e.Details["former_owner_user_id"]))
	return append(person(e, now), former)
}

func apiKey(e Event, _ time.Time) []revocation.Mark {
	return []revocation.Mark{revocation.OfSession(uuid.MustParse(e.Details["key_id"]), e.UserID)}
}

// formerKey is about the tokens of a key that ends before they do. Its later ones end with it.
func formerKey(e Event, last time.Time) []revocation.Mark {
	ends, err := time.Parse(time.RFC3339, e.Details["former_ends_at"])
	if err == nil && ends.After(last) {
		return nil
	}
	return []revocation.Mark{revocation.OfSession(uuid.MustParse(e.Details["former_key_id"]), e.UserID)}
}
