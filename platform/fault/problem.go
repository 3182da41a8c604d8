package fault

import (
	"slices"
	"strconv"
	"strings"
)

// Problem says what is wrong with one value: by a stable code, and by a text that follows
// the name of the value in a sentence. In the text, {min}, {max} and {values} stand for the
// parameters.
type Problem struct {
	Code   string
	Text   string // in English
	Params Params
}

// Params are the limits that a value exceeds, or the values that it may have.
type Params struct {
	Min    *int64   `json:"min,omitempty"`
	Max    *int64   `json:"max,omitempty"`
	Values []string `json:"values,omitempty"`
}

// problems has all problems in the order of their declaration below.
var problems []Problem

func problem(code, text string) Problem {
	p := Problem{Code: code, Text: text}
	problems = append(problems, p)
	return p
}

// The problems of values in requests. The client's text in another language is in package
// httpapi, where a test fails for a problem without one.
var (
	Required         = problem("required", "is required.")
	Null             = problem("null", "must not be null.")
	Repeated         = problem("repeated", "must be given once.")
	UnknownField     = problem("unknown_field", "is not a known field.")
	UnknownParameter = problem("unknown_parameter", "is not a known parameter.")
	Unacceptable     = problem("unacceptable", "is not acceptable.")

	NotAnObject      = problem("not_an_object", "must be a JSON object.")
	NotAnArray       = problem("not_an_array", "must be an array.")
	NotAString       = problem("not_a_string", "must be a string.")
	NotABoolean      = problem("not_a_boolean", "must be true or false.")
	NotAUUID         = problem("not_a_uuid", "must be a UUID.")
	NotATime         = problem("not_a_time", "must be a time such as 2026-01-31T12:00:00Z.")
	NotAnEmail       = problem("not_an_email_address", "must be an email address such as ada@example.com, in ASCII up to the @.")
	NotACursor       = problem("not_a_cursor", "must be a cursor that a Link header gave.")
	NotAPosition     = problem("not_a_position", "must be the next of an earlier answer.")
	NotACode         = problem("not_a_code", "must be the 8 digits from the mail.")
	NotAnOTP         = problem("not_an_otp", "must be the 6 digits from the authenticator app.")
	NotARecoveryCode = problem("not_a_recovery_code", "must be a recovery code: 6 groups of 4 letters and digits.")
	NotAGrant        = problem("not_a_grant_type", "must be the name of a grant type.")
	NotAKey          = problem("not_an_idempotency_key", "must be given once, 1 to 255 printable ASCII characters without spaces.")
	NotHTTPS         = problem("not_an_https_url", "must be an https URL.")
	NotAHostName     = problem("not_a_host_name", "must name a host such as example.com, not an address.")
	NotADomain       = problem("not_a_domain", "must be a domain such as example.com.")
	NotAResource     = problem("not_a_resource", "must be an absolute URI without a fragment, such as https://orders.example.com.")
	NotAScope        = problem("not_a_scope", "must have 1 to 64 lower-case letters, digits or any of . : / _ -, and begin with a letter.")
	NotAPort         = problem("not_a_port", "must have a port from 1 to 65535, or none.")

	NotInEnum     = problem("not_in_enum", "must be {values}.")
	UnknownAction = problem(NotInEnum.Code, "must be an action that the API document lists.")
	NotInRange    = problem("not_in_range", "must be a whole number from {min} to {max}.")
	TooShort      = problem("too_short", "must have {min} to {max} characters.")
	TooLong       = problem("too_long", "must have {min} to {max} characters.")
	Above         = problem(TooLong.Code, "must have at most {max} characters.")
	Below         = problem(TooShort.Code, "must have at least {min} characters.")
	TooManyItems  = problem("too_many_items", "must have at most {max} items.")
	TooManyBytes  = problem("too_many_bytes", "must have at most {max} bytes.")

	NotUTF8            = problem("not_utf8", "must be valid UTF-8.")
	NulCharacter       = problem("nul_character", "must not hold a NUL character.")
	Blank              = problem("blank", "must have a visible character.")
	MoreThanOneLine    = problem("more_than_one_line", "must be on one line.")
	ForbiddenJoiner    = problem("forbidden_character", "must not have a joiner (U+200C, U+200D) except inside a word or an emoji.")
	ForbiddenSelector  = problem(ForbiddenJoiner.Code, "must not have a variation selector except after a visible character.")
	ForbiddenCharacter = problem(ForbiddenJoiner.Code, "must not have control, invisible, private-use or unassigned characters.")

	CommonPassword    = problem("common_password", "must not be a password that is common or known from a data breach: others would guess it.")
	EmailAsPassword   = problem("email_as_password", "must not be the email address, nor the part of it before the @.")
	NotInTheFuture    = problem("not_in_the_future", "must be in the future.")
	TooFarAhead       = problem("too_far_ahead", "must be at most {max} days ahead.")
	NeedsOrganization = problem("needs_organization_id", "needs an organization_id.")
	UserOrEmail       = problem("user_id_or_email", "must have user_id or email, one of the two.")
	BatchSize         = problem("batch_size", "must have {min} to {max} user_ids and emails.")
	UnverifiedEmail   = problem("email_unverified", "belongs to an account, but nobody has proved yet that it is theirs: invite the person instead.")
	NoAccount         = problem("user_not_found", "belongs to no account.")
	AlreadyMember     = problem("already_member", "belongs to a member already.")
	AlreadyInvited    = problem("already_invited", "belongs to a person who is invited already.")
	MailedTooOften    = problem("mailed_too_often", "was sent too many mails. Try again later.")
	InvitationCount   = problem("invitation_count", "must have {min} to {max} invitations.")
	WrongHeader       = problem("wrong_header", "must name the columns, each once: {values}.")
	WrongColumns      = problem("wrong_columns", "must have as many values as the first line.")
	NamedTwice        = problem("named_twice", "belongs to a person who is named before.")
	NotASearch        = problem("not_a_search", "must have {min} to {max} words with letters or digits.")
	IDsAndSelection   = problem("ids_and_selection", "must not be given together with q, standing or sort.")
	NeedsScopeAll     = problem("needs_scope_all", "needs scope=all.")
	CursorAndOffset   = problem("cursor_and_offset", "must not be given together with a cursor.")
)

// Problems returns all problems of values in requests.
func Problems() []Problem { return slices.Clone(problems) }

// Wrong returns a problem of a value that is in no request, such as a column of an archive.
func Wrong(text string) Problem { return Problem{Text: text} }

// From returns the problem with its minimum.
func (p Problem) From(least int64) Problem {
	p.Params.Min = &least
	return p
}

// To returns the problem with its maximum.
func (p Problem) To(most int64) Problem {
	p.Params.Max = &most
	return p
}

// Of returns the problem with the values that are accepted.
func (p Problem) Of(values ...string) Problem {
	p.Params.Values = values
	return p
}

// Error returns the text in English.
func (p Problem) Error() string { return p.Fill(p.Text, ",", "or") }

// Fill puts the parameters into a text in any language: numbers with a separator of
// thousands, values with a word for "or".
func (p Problem) Fill(text, separator, or string) string {
	if p.Params.Min != nil {
		text = strings.ReplaceAll(text, "{min}", grouped(*p.Params.Min, separator))
	}
	if p.Params.Max != nil {
		text = strings.ReplaceAll(text, "{max}", grouped(*p.Params.Max, separator))
	}
	if n := len(p.Params.Values); n > 0 {
		values := p.Params.Values[n-1]
		if n > 1 {
			values = strings.Join(p.Params.Values[:n-1], ", ") + " " + or + " " + values
		}
		text = strings.ReplaceAll(text, "{values}", values)
	}
	return text
}

func grouped(n int64, separator string) string {
	digits := strconv.FormatInt(n, 10)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + separator + digits[at:]
	}
	return digits
}
