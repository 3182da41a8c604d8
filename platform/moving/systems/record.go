package systems

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/field"
	"guildhall/platform/moving"
)

// record is an object of a file or a row of a database. The values are as the decoder or
// the driver returns them.
type record map[string]any

// has reports whether there is a value other than null.
func (r record) has(name string) bool { return r[name] != nil }

// text returns a value as text, and an empty one for none.
func (r record) text(name string) string {
	switch v := r[name].(type) {
	case nil:
		return ""
	case string:
		return v
	case []byte:
		return string(v)
	case json.Number:
		return v.String()
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	default:
		return fmt.Sprint(v)
	}
}

// optional returns a text, or nil for none and for an empty one.
func (r record) optional(name string) *string { return optional(r.text(name)) }

func optional(v string) *string {
	if v == "" {
		return nil
	}
	return &v
}

// uuidOf returns an id that is a UUID, which a row keeps, and nil for any other.
func uuidOf(id string) *string {
	if u, err := uuid.Parse(id); err != nil || len(id) != 36 || u == uuid.Nil {
		return nil
	}
	return &id
}

// first returns the first of several texts that is not empty.
func (r record) first(names ...string) string {
	for _, name := range names {
		if v := r.text(name); v != "" {
			return v
		}
	}
	return ""
}

// is reports whether a value is true, as programs and spreadsheets write it.
func (r record) is(name string) bool {
	switch strings.ToLower(r.text(name)) {
	case "true", "t", "1", "yes", "y":
		return true
	}
	return false
}

// moment returns a time as RFC 3339, or nil for none. A time without a zone is UTC. A number
// is Unix time: in seconds, or in milliseconds if it would be after the year 5000 otherwise.
// Anything else is returned as it is, and refused with its row.
func (r record) moment(name string) *string {
	if t, ok := r[name].(time.Time); ok {
		return rfc3339(t)
	}
	v := strings.TrimSpace(r.text(name))
	if v == "" || strings.HasPrefix(v, "0000-00-00") { // MySQL's none
		return nil
	}
	if n, err := strconv.ParseFloat(v, 64); err == nil {
		if math.Abs(n) < 1e11 {
			n *= 1000
		}
		if math.Abs(n) < 1e15 { // it is no time otherwise
			return rfc3339(time.UnixMilli(int64(math.Round(n))))
		}
	}
	for _, layout := range []string{
		time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z07", "2006-01-02 15:04:05 UTC",
		"2006-01-02 15:04:05 -0700 MST", "2006-01-02T15:04:05Z0700", "2006-01-02",
	} {
		if t, err := time.Parse(layout, v); err == nil {
			return rfc3339(t)
		}
	}
	return &v
}

func rfc3339(t time.Time) *string { return new(t.UTC().Format(time.RFC3339Nano)) }

// dated reports whether a value is a time. Systems say by one that something has happened.
func (r record) dated(name string) bool {
	moment := r.moment(name)
	if moment == nil {
		return false
	}
	t, err := time.Parse(time.RFC3339, *moment)
	return err == nil && !t.IsZero()
}

// nested returns an object within the record, also if it is JSON in a text. For anything else
// it returns none.
func (r record) nested(name string) record {
	switch v := r[name].(type) {
	case map[string]any:
		return v
	case string, []byte:
		var n record
		_ = decode(r.text(name), &n)
		return n
	}
	return nil
}

// list returns the objects of an array within the record, also if it is JSON in a text.
func (r record) list(name string) (list []record) {
	switch v := r[name].(type) {
	case []any:
		for _, one := range v {
			if n, ok := one.(map[string]any); ok {
				list = append(list, n)
			}
		}
	case string, []byte:
		_ = decode(r.text(name), &list)
	}
	return list
}

func decode(text string, into any) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	return d.Decode(into)
}

// person returns the row of a person. The name is the first of these that is not empty, or
// what the address has before its @: systems know people without a name.
func person(email string, names ...string) *moving.Row {
	name, _, _ := strings.Cut(email, "@")
	for _, n := range names {
		if n = strings.TrimSpace(n); n != "" {
			name = n
			break
		}
	}
	r := &moving.Row{Type: "person", Name: &name}
	if email = strings.TrimSpace(email); email != "" {
		r.Email = &email
	}
	return r
}

// named joins a given and a family name.
func named(given, family string) string { return strings.TrimSpace(given + " " + family) }

// nickname returns a user name that can stand for a name, and none for an address, which
// not everybody who sees the name may see.
func nickname(username string) string {
	if strings.Contains(username, "@") {
		return ""
	}
	return username
}

// identify sets the ids of a row: the external id, and the id too if that is a UUID, so that
// what refers to it elsewhere stays valid.
func identify(r *moving.Row, id string) {
	r.ExternalID, r.ID = optional(id), uuidOf(id)
}

// avatar returns a URL that an account may have, and nil for any other. Systems have
// avatars of many kinds, and a person is not refused because of one.
func avatar(url string) *string { return acceptable[field.AvatarURL](url) }

// locale returns the language of a locale such as de-AT if there is one, and nil otherwise.
func locale(tag string) *string {
	language, _, _ := strings.Cut(strings.ReplaceAll(tag, "_", "-"), "-")
	return acceptable[field.Locale](strings.ToLower(language))
}

func acceptable[T ~string, P interface {
	*T
	UnmarshalText(text []byte) error
}](given string) *string {
	var v T
	if given == "" || P(&v).UnmarshalText([]byte(given)) != nil {
		return nil
	}
	return new(string(v))
}

// suspend makes a row suspended, beside what it is otherwise.
func suspend(r *moving.Row, reason string, until *string) {
	stand(r, "suspended")
	reason = cmp.Or(strings.TrimSpace(reason), noReason)
	r.SuspensionReason, r.SuspendedUntil = &reason, until
}

// stand adds a word to a row's standing.
func stand(r *moving.Row, word string) {
	if r.Standing == nil {
		r.Standing = &word
		return
	}
	r.Standing = new(*r.Standing + ", " + word)
}

// archive makes a row archived.
func archive(r *moving.Row, reason string) {
	stand(r, "archived")
	reason = cmp.Or(strings.TrimSpace(reason), noReason)
	r.ArchiveReason = &reason
}

// noReason is the reason of a standing for which the other system has none.
const noReason = "As in the former system."
