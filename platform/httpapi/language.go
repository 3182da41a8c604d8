package httpapi

import (
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/text/language"

	"guildhall/platform/fault"
)

// tongue is a language in which the API tells people what went wrong. The codes, the log and
// OAuth's error_description (ASCII, RFC 6749 §5.2) do not depend on it.
type tongue struct {
	tag       string
	texts     map[string]string // by their English; nil for English itself
	thousands string            // separates groups of digits
	or        string
	number    string // precedes the number of an item of a list
	quote     string // %s is the text in quotes
}

var (
	inEnglish = &tongue{tag: "en", thousands: ",", or: "or", number: "number", quote: "“%s”"}
	inGerman  = &tongue{tag: "de", texts: german, thousands: ".", or: "oder", number: "Nummer", quote: "„%s“"}

	tongues  = []*tongue{inEnglish, inGerman} // the first is the default
	matching = language.NewMatcher([]language.Tag{language.English, language.German})
)

// tongueOf returns the language that a client prefers (RFC 9110 §12.5.4).
func tongueOf(h http.Header) *tongue {
	wanted, _, err := language.ParseAcceptLanguage(strings.Join(h["Accept-Language"], ","))
	if err != nil {
		return inEnglish
	}
	_, i, _ := matching.Match(wanted...)
	return tongues[i]
}

// localeOf returns the tag of the language that a client prefers, or "" if it prefers none.
func localeOf(h http.Header) string {
	if len(h["Accept-Language"]) == 0 {
		return ""
	}
	return tongueOf(h).tag
}

func (t *tongue) text(english string) string {
	if text, ok := t.texts[english]; ok {
		return text
	}
	return english
}

// sentence says what is wrong with a value.
func (t *tongue) sentence(f fault.Field) string {
	if line, isRow := strings.CutPrefix(f.Location, "row "); isRow {
		return t.text("Row") + " " + line + " " + f.Problem.Fill(t.text(f.Problem.Text), t.thousands, t.or)
	}
	_, name, found := strings.Cut(f.Location, ".")
	if !found {
		name = f.Location
	}
	list, number, isItem := strings.Cut(strings.TrimSuffix(name, "]"), "[")
	if isItem {
		name = list + "[]"
	}
	if item, member, isMember := strings.Cut(number, "]."); isMember {
		name, number = member, item
	}
	subject, named := subjects[name]
	if unknown := f.Problem.Code == fault.UnknownField.Code || f.Problem.Code == fault.UnknownParameter.Code; unknown || !named {
		subject = strings.Replace(t.quote, "%s", name, 1)
	} else {
		subject = t.text(subject)
	}
	if i, err := strconv.Atoi(number); err == nil {
		subject += " " + t.number + " " + strconv.Itoa(i+1)
	}
	return subject + " " + f.Problem.Fill(t.text(f.Problem.Text), t.thousands, t.or)
}

// detail says what went wrong: about invalid values, what is wrong with each.
func (t *tongue) detail(f *fault.Error) string {
	if f.Code != errInvalid.Code || len(f.Fields) == 0 {
		return t.text(f.Detail)
	}
	var sentences []string
	for _, field := range f.Fields[:min(len(f.Fields), mostSentences)] {
		sentences = append(sentences, t.sentence(field))
	}
	if len(f.Fields) > mostSentences {
		sentences = append(sentences, "…")
	}
	return strings.Join(sentences, " ")
}

// mostSentences limits how many invalid values a detail names; errors has them all.
const mostSentences = 8

// subjects has the names of values at the beginning of a sentence.
//
//nolint:gosec // no credentials
var subjects = map[string]string{
	"body":               "The body",
	"row":                "Row",
	"action":             "The action",
	"actor_user_id":      "The ID of the actor",
	"all":                "The choice of all sessions",
	"avatar_url":         "The URL of the picture",
	"bio":                "The biography",
	"count":              "The choice to count",
	"cursor":             "The cursor",
	"email":              "The email address",
	"challenge_token":    "The challenge token",
	"code":               "The code",
	"link_token":         "The token of the link",
	"otp":                "The code of the app",
	"credential":         "The passkey",
	"method":             "The method",
	"provider":           "The provider",
	"redirect_uri":       "The address to go back to",
	"authorization_code": "The code of the provider",
	"state":              "The state",
	"iss":                "The issuer",
	"error":              "The error of the provider",
	"user":               "The data of the user",
	"identity_id":        "The ID of the identity",
	"recovery_code":      "The recovery code",
	"factor_id":          "The ID of the factor",
	"mfa":                "The policy",
	"from":               "The beginning",
	"purpose":            "The purpose",
	"new_email":          "The new email address",
	"locale":             "The language",
	"domains":            "The list of domains",
	"domains[]":          "The domain",
	"deliver":            "The choice to send a mail",
	"dry_run":            "The choice to try only",
	"expires_in_hours":   "The number of hours",
	"invitation_id":      "The ID of the invitation",
	"invitation_token":   "The token of the invitation",
	"setup_token":        "The token of the link",
	"invitations":        "The list of invitations",
	"invitations[]":      "The invitation",
	"link_id":            "The ID of the link",
	"key_id":             "The ID of the API key",
	"scopes":             "The list of scopes",
	"scopes[]":           "The scope",
	"scopes[].name":      "The name of the scope",
	"api_id":             "The ID of the API",
	"identifier":         "The identifier",
	"token_seconds":      "The life of the tokens",
	"claims":             "The choice of claims",
	"session_tokens":     "The choice to take session tokens",
	"resource":           "The resource",
	"client_id":          "The client ID",
	"client_secret":      "The client secret",
	"expires_at":         "The end",
	"overlap_seconds":    "The overlap",
	"description":        "The description",
	"max_uses":           "The number of uses",
	"q":                  "The search text",
	"sort":               "The order",
	"standing":           "The standing",
	"status":             "The status",
	"token":              "The token",
	"emails":             "The list of email addresses",
	"emails[]":           "The email address",
	"grant_type":         "The grant type",
	"ids":                "The list of IDs",
	"ids[]":              "The ID",
	"include_archived":   "The choice to include archived organizations",
	"limit":              "The limit",
	"name":               "The name",
	"new_owner_user_id":  "The ID of the new owner",
	"new_password":       "The new password",
	"offset":             "The offset",
	"old_password":       "The old password",
	"organization_id":    "The ID of the organization",
	"organization_name":  "The name of the organization",
	"password":           "The password",
	"reason":             "The reason",
	"refresh_token":      "The refresh token",
	"role":               "The role",
	"scope":              "The scope",
	"session_id":         "The ID of the session",
	"since":              "The beginning of the period",
	"skip_existing":      "The choice to skip members",
	"suspended_until":    "The end of the suspension",
	"until":              "The end of the period",
	"user_id":            "The ID of the user",
	"user_ids":           "The list of user IDs",
	"user_ids[]":         "The user ID",
	"username":           "The user name",
	"after":              "The position",
	"wait":               "The time to wait",
	idempotencyKeyHeader: "The Idempotency-Key header",
	"X-Organization-ID":  "The X-Organization-ID header",
}
