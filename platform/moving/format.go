package moving

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/fault"
	"guildhall/platform/field"
	"guildhall/platform/password"
)

// Row is a line of a file, as it is written: a person unless type says organization.
type Row struct {
	Type             string  `json:"type,omitzero"`
	ID               *string `json:"id,omitzero"`
	ExternalID       *string `json:"external_id,omitzero"`
	Name             *string `json:"name,omitzero"`
	CreatedAt        *string `json:"created_at,omitzero"`
	Standing         *string `json:"standing,omitzero"`
	SuspensionReason *string `json:"suspension_reason,omitzero"`
	SuspendedUntil   *string `json:"suspended_until,omitzero"`
	ArchiveReason    *string `json:"archive_reason,omitzero"`

	// Of a person.
	Email         *string         `json:"email,omitzero"`
	EmailVerified *bool           `json:"email_verified,omitzero"`
	Locale        *string         `json:"locale,omitzero"`
	Bio           *string         `json:"bio,omitzero"`
	AvatarURL     *string         `json:"avatar_url,omitzero"`
	PasswordHash  *string         `json:"password_hash,omitzero"`
	PasswordSalt  *string         `json:"password_salt,omitzero"`
	Memberships   []MembershipRow `json:"memberships,omitzero"`

	// Of an organization.
	Owner            *string `json:"owner,omitzero"`
	SuspendedByOwner *bool   `json:"suspended_by_owner,omitzero"`
}

// MembershipRow is a membership of a person. Organization is an id, an external id or a name.
type MembershipRow struct {
	Organization     *string `json:"organization"`
	Role             *string `json:"role,omitzero"`
	JoinedAt         *string `json:"joined_at,omitzero"`
	Standing         *string `json:"standing,omitzero"`
	SuspensionReason *string `json:"suspension_reason,omitzero"`
	SuspendedUntil   *string `json:"suspended_until,omitzero"`
}

const (
	personType       = "person"
	organizationType = "organization"
)

// The words of a standing. Several are separated by commas.
const (
	isActive      = "active"
	isDeactivated = "deactivated"
	isSuspended   = "suspended"
	isArchived    = "archived"
)

// standing of an account, an organization or a membership.
type standing struct {
	deactivated, suspended, archived bool
	reason                           string // of the suspension
	until                            *time.Time
	archiveReason                    string
	byOwner                          bool // an organization's owner suspended it, and can lift that
}

func (s standing) String() string {
	var words []string
	for _, w := range []struct {
		is   bool
		word string
	}{{s.deactivated && !s.archived, isDeactivated}, {s.suspended, isSuspended}, {s.archived, isArchived}} {
		if w.is {
			words = append(words, w.word)
		}
	}
	if len(words) == 0 {
		return isActive
	}
	return strings.Join(words, ", ")
}

// person is a row of a person with valid values.
type person struct {
	at
	id          uuid.UUID // zero if the file has none
	email       field.Email
	key         key
	name        string
	externalID  *string
	verified    bool
	locale      *string
	bio, avatar *string
	created     time.Time
	standing    standing
	hash, salt  string // as the file has them
	stored      string // as it is stored
	memberships []membership
}

type membership struct {
	organization string // as the file names it
	role         access.Role
	joined       time.Time // zero: with the import
	standing     standing
}

// organization is a row of an organization with valid values.
type organization struct {
	at
	id         uuid.UUID
	externalID *string
	name       string
	created    time.Time
	standing   standing
	owner      field.Email // empty if the file names the owner in a person's row
}

// at is where a row is.
type at struct {
	source *Source
	line   int64
}

// problem is what is wrong with a value of a row.
type problem struct {
	field string
	fault.Problem
}

func (p problem) Error() string {
	_, last, _ := cutLast(p.field, ".")
	return "The " + strings.ReplaceAll(last, "_", " ") + " " + p.Problem.Error()
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

// The refusals that only an import has.
var (
	formula             = refusal("formula", "begins like a formula of a spreadsheet.")
	repeated            = refusal("repeated", "is that of a row before.")
	unreadableHash      = refusal("unreadable_hash", "is none that this server can check.")
	notOfPerson         = refusal(fault.UnknownField.Code, "is not a field of a person.")
	notOfOrganization   = refusal(fault.UnknownField.Code, "is not a field of an organization.")
	notOfStanding       = refusal("not_of_standing", "does not belong to this standing.")
	inTheFuture         = refusal("in_the_future", "must not be in the future.")
	ownersStanding      = refusal("owner_required", "of an organization's owner must be active in it.")
	administrators      = refusal("platform_administrator", "is that of a platform administrator, whose account an import does not touch.")
	externalIDTaken     = refusal("external_id_taken", "belongs to another one here.")
	idTaken             = refusal("id_taken", "belongs to another one here.")
	accountArchived     = refusal("account_archived", "belongs to an archived account, which can join no organization.")
	unproved            = refusal("email_unverified", "belongs to an account that existed before, and nobody has proved that it is theirs.")
	unknownOrganization = refusal("unknown_organization", "is none of the file. Organizations that exist here are joined only with --allow-existing-organizations.")
	refusedOrganization = refusal("organization_refused", "is one whose own row was refused.")
	ambiguous           = refusal("ambiguous_organization", "is that of several: use the id or the external id of one.")
	organizationExists  = refusal("organization_exists", "belongs to an organization that exists here. People join it only with --allow-existing-organizations.")
	organizationClosed  = refusal("organization_archived", "is an archived organization, which nobody can join.")
	formerMember        = refusal("former_member", "is one that the person has left, or was removed from. Add them here.")
	ownerExists         = refusal("owner_exists", "can't be owner: the organization has another one.")
	ownerMissing        = refusal("owner_missing", "must be the email address of a person of the file or of an account here, or a person must have the role.")
	ownerRefused        = refusal("owner_refused", "is a person whose own row was refused.")
	ownerArchived       = refusal("owner_archived", "must not be archived unless the organization is.")
)

func refusal(code, text string) fault.Problem { return fault.Problem{Code: code, Text: text} }

// checker reads the values of a row, up to the first one that is wrong.
type checker struct {
	now time.Time
	err *problem
}

func (c *checker) refuse(name string, err error) {
	if err == nil || c.err != nil {
		return
	}
	p, ok := err.(fault.Problem) //nolint:errorlint // the types of values return it as it is
	if !ok {
		p = fault.Unacceptable
	}
	c.err = &problem{name, p}
}

// text reads a value with a type of the API. A value that is absent stays the zero value.
func text[T ~string, P interface {
	*T
	UnmarshalText(text []byte) error
}](c *checker, name string, given *string) (v T) {
	if given != nil {
		c.refuse(name, P(&v).UnmarshalText([]byte(*given)))
	}
	return v
}

func required[T ~string, P interface {
	*T
	UnmarshalText(text []byte) error
}](c *checker, name string, given *string) (v T) {
	if given == nil {
		c.refuse(name, fault.Required)
	}
	return text[T, P](c, name, given)
}

func optional[T ~string, P interface {
	*T
	UnmarshalText(text []byte) error
}](c *checker, name string, given *string) *string {
	if given == nil {
		return nil
	}
	return new(string(text[T, P](c, name, given)))
}

func (c *checker) id(given *string) (id uuid.UUID) {
	if given == nil {
		return id
	}
	id, err := uuid.Parse(*given)
	if err != nil || len(*given) != 36 || id == uuid.Nil {
		c.refuse("id", fault.NotAUUID)
	}
	return id
}

// moment reads a time. absent is what it is if the file has none.
func (c *checker) moment(name string, given *string, absent time.Time) time.Time {
	if given == nil {
		return absent
	}
	var t field.Time
	c.refuse(name, t.UnmarshalText([]byte(*given)))
	return t.Time
}

func (c *checker) past(name string, given *string) time.Time {
	t := c.moment(name, given, c.now)
	if t.After(c.now) {
		c.refuse(name, inTheFuture)
	}
	return t
}

// standing reads a standing from its members, whose names begin with within.
func (c *checker) standing(within string, words, reason, until, archiveReason *string, mayArchive bool) (s standing) {
	if words != nil {
		known := []string{isActive, isDeactivated, isSuspended}
		if mayArchive {
			known = append(known, isArchived)
		}
		for word := range strings.SplitSeq(*words, ",") {
			word = strings.TrimSpace(word)
			if !slices.Contains(known, word) {
				c.refuse(within+"standing", fault.NotInEnum.Of(known...))
			}
			s.deactivated = s.deactivated || word == isDeactivated || word == isArchived
			s.suspended = s.suspended || word == isSuspended
			s.archived = s.archived || word == isArchived
		}
	}
	if s.suspended {
		s.reason = string(required[field.Reason](c, within+"suspension_reason", reason))
		if until != nil {
			s.until = new(c.moment(within+"suspended_until", until, c.now))
			// A suspension that has ended meanwhile is none.
			s.suspended = s.until.After(c.now)
		}
	} else {
		c.absent(notOfStanding, within+"suspension_reason", reason != nil)
		c.absent(notOfStanding, within+"suspended_until", until != nil)
	}
	if s.archived {
		s.archiveReason = string(required[field.Reason](c, within+"archive_reason", archiveReason))
	} else {
		c.absent(notOfStanding, within+"archive_reason", archiveReason != nil)
	}
	return s
}

func (c *checker) absent(p fault.Problem, name string, is bool) {
	if is {
		c.refuse(name, p)
	}
}

// name reads the name of a person or an organization. A file of a spreadsheet may have names
// that another one would evaluate: the API accepts them, and never evaluates anything.
func (c *checker) name(given *string, csv bool) string {
	n := required[field.Name](c, "name", given)
	if csv && n != "" && strings.ContainsRune("=+-@", rune(n[0])) { // mutant: csv-formula
		c.refuse("name", formula)
	}
	return string(n)
}

// person checks a row of a person.
func (r *Row) person(where at, now time.Time) (p *person, _ *problem) {
	c := &checker{now: now}
	p = &person{at: where}
	p.email = required[field.Email](c, "email", r.Email)
	p.key = emailKey(p.email)
	c.absent(notOfPerson, "owner", r.Owner != nil)
	c.absent(notOfPerson, "suspended_by_owner", r.SuspendedByOwner != nil)
	p.id, p.externalID = c.id(r.ID), optional[field.ExternalID](c, "external_id", r.ExternalID)
	p.name = c.name(r.Name, where.source.isCSV)
	p.verified = r.EmailVerified != nil && *r.EmailVerified
	p.locale, p.bio, p.avatar = optional[field.Locale](c, "locale", r.Locale), optional[field.Bio](c, "bio", r.Bio), optional[field.AvatarURL](c, "avatar_url", r.AvatarURL)
	p.created = c.past("created_at", r.CreatedAt)
	p.standing = c.standing("", r.Standing, r.SuspensionReason, r.SuspendedUntil, r.ArchiveReason, true)
	if r.PasswordHash != nil && !password.IsNone(*r.PasswordHash) {
		p.hash = *r.PasswordHash
	}
	if r.PasswordSalt != nil {
		p.salt = *r.PasswordSalt
	}
	for i, given := range r.Memberships {
		within := fmt.Sprintf("memberships[%d].", i)
		m := membership{role: access.Member}
		m.organization = string(required[field.Name](c, within+"organization", given.Organization))
		if given.Role != nil {
			m.role = c.role(within+"role", *given.Role)
		}
		if given.JoinedAt != nil {
			m.joined = c.past(within+"joined_at", given.JoinedAt)
		}
		m.standing = c.standing(within, given.Standing, given.SuspensionReason, given.SuspendedUntil, nil, false)
		if m.role == access.Owner && (m.standing.deactivated || m.standing.suspended) {
			c.refuse(within+"standing", ownersStanding)
		}
		p.memberships = append(p.memberships, m)
	}
	return p, c.err
}

func (c *checker) role(name, given string) access.Role {
	for _, r := range []access.Role{access.Member, access.Admin, access.Owner} {
		if r.String() == given {
			return r
		}
	}
	c.refuse(name, fault.NotInEnum.Of(access.Member.String(), access.Admin.String(), access.Owner.String()))
	return access.NoRole
}

// organization checks a row of an organization.
func (r *Row) organization(where at, now time.Time) (o *organization, _ *problem) {
	c := &checker{now: now}
	o = &organization{at: where}
	o.id, o.externalID = c.id(r.ID), optional[field.ExternalID](c, "external_id", r.ExternalID)
	o.name = c.name(r.Name, where.source.isCSV)
	o.created = c.past("created_at", r.CreatedAt)
	o.standing = c.standing("", r.Standing, r.SuspensionReason, r.SuspendedUntil, r.ArchiveReason, true)
	if o.standing.deactivated && !o.standing.archived {
		c.refuse("standing", fault.NotInEnum.Of(isActive, isSuspended, isArchived))
	}
	o.standing.byOwner = r.SuspendedByOwner != nil && *r.SuspendedByOwner
	o.owner = text[field.Email](c, "owner", r.Owner)
	for _, x := range []struct {
		name string
		is   bool
	}{
		{"email", r.Email != nil}, {"email_verified", r.EmailVerified != nil}, {"locale", r.Locale != nil}, {"bio", r.Bio != nil},
		{"avatar_url", r.AvatarURL != nil}, {"password_hash", r.PasswordHash != nil}, {"password_salt", r.PasswordSalt != nil}, {"memberships", r.Memberships != nil},
	} {
		c.absent(notOfOrganization, x.name, x.is)
	}
	return o, c.err
}
