package systems

import (
	"bufio"
	"cmp"
	"strings"

	"guildhall/platform/moving"
)

// auth0 reads three kinds of records: users, as a job of users-exports writes them, or as a
// job of users-imports reads them; their password hashes, which Auth0's support sends in a
// file of its own; and organizations, as the Management API returns them, each with the
// array of its members. External ids are Auth0's.
var auth0 = System{Name: "auth0", files: func(o Options) reader {
	return &auth0Reader{options: o, hashes: map[string]string{}, teams: newTeams()}
}}

type auth0Reader struct {
	options Options
	hashes  map[string]string // by user id
	users   bool              // a file has users; otherwise they are made of the hashes
	teams
}

// auth0Kind is a kind of record. The ids of organizations begin with org_.
func auth0Kind(r record) string {
	switch {
	case r.has("_id"):
		return "hash"
	case r.has("members"), !r.has("user_id") && strings.HasPrefix(r.text("id"), "org_"):
		return "organization"
	default:
		return "user"
	}
}

// auth0ID returns a user's whole id. Files to be imported have it without the name of the
// strategy.
func auth0ID(id string) string {
	if id == "" || strings.Contains(id, "|") {
		return id
	}
	return "auth0|" + id
}

func (a *auth0Reader) learn(in *bufio.Reader) error {
	return records(in, func(_ int64, r record) error {
		switch auth0Kind(r) {
		case "hash":
			// A user whose id was chosen by a custom database has that as alt_id.
			for _, id := range []string{r.nested("_id").text("$oid"), r.text("alt_id")} {
				if hash := r.text("passwordHash"); id != "" && hash != "" {
					a.hashes[auth0ID(id)] = hash
				}
			}
		case "organization":
			for _, m := range r.list("members") {
				var roles []string
				for _, role := range m.list("roles") {
					roles = append(roles, role.text("name"))
				}
				a.add(r.text("id"), m.text("user_id"), roleOf(roles...), nil)
			}
		default:
			a.users = true
		}
		return nil
	})
}

func (a *auth0Reader) rows(in *bufio.Reader, take moving.Take) error {
	return records(in, func(n int64, r record) error {
		switch auth0Kind(r) {
		case "hash":
			if a.users {
				return nil
			}
			return take(n, a.person(auth0User(r)))
		case "organization":
			row := &moving.Row{Type: "organization", ExternalID: r.optional("id"), Name: new(r.first("display_name", "name"))}
			return take(n, a.own(row, r.text("id"), a.options))
		default:
			return take(n, a.person(r))
		}
	})
}

// auth0User returns the user of a password hash. The address may be only among the
// identifiers.
func auth0User(r record) record {
	u := record{"user_id": cmp.Or(r.text("alt_id"), r.nested("_id").text("$oid")), "email": r["email"], "email_verified": r["email_verified"]}
	for _, i := range r.list("identifiers") {
		if !u.has("email") && i.text("type") == "email" {
			u["email"], u["email_verified"] = i["value"], i["verified"]
		}
	}
	return u
}

func (a *auth0Reader) person(r record) *moving.Row {
	id := auth0ID(r.text("user_id"))
	p := person(r.text("email"), r.text("name"), named(r.text("given_name"), r.text("family_name")), r.text("nickname"), r.text("username"))
	p.ExternalID, p.EmailVerified, p.CreatedAt = optional(id), new(r.is("email_verified")), r.moment("created_at")
	p.AvatarURL, p.Locale, p.Memberships = avatar(r.text("picture")), locale(r.text("locale")), a.memberships[id]
	p.PasswordHash = optional(cmp.Or(a.hashes[id], r.text("password_hash"), auth0Hash(r.nested("custom_password_hash"))))
	if r.is("blocked") {
		suspend(p, "", nil)
	}
	return p
}

// auth0Hash translates a custom_password_hash. It returns nothing for one that no log-in
// here can check: an HMAC, MD4, bcrypt with a salt of its own, or a password that was not
// encoded as UTF-8.
func auth0Hash(r record) string {
	hash, salted := r.nested("hash"), r.nested("salt")
	value := hash.text("value")
	if encoding := r.nested("password").text("encoding"); value == "" || encoding != "" && encoding != "utf8" && encoding != "ascii" {
		return ""
	}
	switch name := r.text("algorithm"); name {
	case "argon2", "ldap":
		return value
	case "bcrypt":
		if salted.text("value") != "" {
			return ""
		}
		return value
	case "pbkdf2":
		if fields := strings.Split(value, "$"); len(fields) == 4 { // the parameters are left out
			return strings.Join([]string{"", fields[1], "i=100000,l=64", fields[2], fields[3]}, "$")
		}
		return value
	case "md5", "sha1", "sha256", "sha512", "scrypt":
		key, ok := bytesOf(value, hash.text("encoding"))
		salt, saltOK := bytesOf(salted.text("value"), salted.text("encoding"))
		switch {
		case !ok || !saltOK:
			return malformed
		case name == "scrypt":
			return scryptHash(cmp.Or(r.text("cost"), "16384"), cmp.Or(r.text("blockSize"), "8"), cmp.Or(r.text("parallelization"), "1"), salt, key)
		}
		return digestHash(name, salted.text("position") != "suffix", salt, key)
	}
	return ""
}
