package systems

import (
	"bufio"
	"encoding/hex"
	"strings"

	"guildhall/platform/moving"
)

// clerk reads users with their password digests, as the Dashboard exports them in CSV, and
// three kinds of objects of the Backend API: users, organizations and memberships. If there
// are users of both kinds, those of the API come along, each with the digest of the other.
// External ids are Clerk's.
var clerk = System{Name: "clerk", files: func(o Options) reader {
	return &clerkReader{options: o, digests: map[string]string{}, creators: map[string]string{}, teams: newTeams()}
}}

type clerkReader struct {
	options  Options
	digests  map[string]string // by user id, as they are passed on
	creators map[string]string // of organizations, by id
	users    bool              // a file has users of the API
	owned    bool              // creators who are members still have been made owners
	teams
}

// clerkKind is a kind of record. Objects of the API say what they are.
func clerkKind(r record) string {
	switch kind := r.text("object"); {
	case kind != "":
		return kind
	case r.has("primary_email_address_id"):
		return "user"
	default:
		return "exported user"
	}
}

func (c *clerkReader) learn(in *bufio.Reader) error {
	return records(in, func(_ int64, r record) error {
		switch clerkKind(r) {
		case "user":
			c.users = true
		case "organization":
			c.creators[r.text("id")] = r.text("created_by")
		case "organization_membership":
			c.add(r.nested("organization").text("id"), r.nested("public_user_data").text("user_id"), roleOf(r.text("role")), r.moment("created_at"))
		case "exported user":
			if digest := clerkHash(r.text("password_hasher"), r.text("password_digest")); digest != "" {
				c.digests[r.text("id")] = digest
			}
		}
		return nil
	})
}

// own makes whoever created an organization its owner, who may have left it since.
func (c *clerkReader) own() {
	for organization, creator := range c.creators {
		for i, m := range c.memberships[creator] {
			if *m.Organization == organization && !c.teams.owned[organization] {
				c.memberships[creator][i].Role, c.teams.owned[organization] = new("owner"), true
			}
		}
	}
	c.owned = true
}

func (c *clerkReader) rows(in *bufio.Reader, take moving.Take) error {
	if !c.owned {
		c.own()
	}
	return records(in, func(n int64, r record) error {
		switch kind := clerkKind(r); {
		case kind == "organization":
			row := &moving.Row{Type: "organization", ExternalID: r.optional("id"), Name: r.optional("name"), CreatedAt: r.moment("created_at")}
			return take(n, c.teams.own(row, r.text("id"), c.options))
		case kind == "user", kind == "exported user" && !c.users:
			return take(n, c.person(r))
		}
		return nil
	})
}

func (c *clerkReader) person(r record) *moving.Row {
	email, verified := clerkEmail(r)
	p := person(email, named(r.text("first_name"), r.text("last_name")), r.text("username"))
	p.ExternalID, p.EmailVerified, p.CreatedAt = r.optional("id"), &verified, r.moment("created_at")
	p.Locale, p.Memberships = locale(r.text("locale")), c.memberships[r.text("id")]
	p.PasswordHash = optional(c.digests[r.text("id")])
	if r.is("has_image") { // without one, Clerk's URL shows initials
		p.AvatarURL = avatar(r.text("image_url"))
	}
	if r.is("deprovisioned") {
		stand(p, "deactivated")
	}
	if r.is("banned") {
		suspend(p, "", nil)
	}
	return p
}

// clerkEmail returns the primary address, and whether it is verified.
func clerkEmail(r record) (email string, verified bool) {
	for _, e := range r.list("email_addresses") {
		if e.text("id") == r.text("primary_email_address_id") {
			return e.text("email_address"), e.nested("verification").text("status") == "verified"
		}
	}
	email = r.text("primary_email_address")
	for _, one := range strings.FieldsFunc(r.text("verified_email_addresses"), func(c rune) bool { return strings.ContainsRune("|,; ", c) }) {
		verified = verified || strings.EqualFold(one, email)
	}
	return email, verified
}

// clerkHash translates a digest by the name of its hasher. It returns nothing for one that
// no log-in here can check: Clerk does not document whether the salt of md5_salted and
// sha256_salted comes first, bcrypt_peppered has its key in each digest, md5_phpass and
// sha512_symfony are of no kind that is known here, and awscognito is no hash.
func clerkHash(hasher, digest string) string {
	fields := strings.Split(digest, "$")
	switch hasher {
	case "bcrypt", "bcrypt_sha256_django", "pbkdf2_sha256_django", "phpass", "argon2i", "argon2id", "ldap_ssha", "":
		return digest
	case "md5", "sha256":
		if key, ok := bytesOf(digest, "hex"); ok {
			return digestHash(hasher, false, nil, key)
		}
	case "pbkdf2_sha1", "pbkdf2_sha256", "pbkdf2_sha512", "pbkdf2_sha512_hex":
		if len(fields) >= 4 && fields[0] == hasher {
			return clerkPBKDF2(hasher, fields)
		}
	case "scrypt_firebase": // hash, salt, signer key, salt separator, rounds and memory cost
		if len(fields) == 6 {
			return "$fbscrypt$v=1,n=" + fields[5] + ",r=" + fields[4] + ",p=1,ss=" + fields[3] + ",sk=" + fields[2] + "$" + fields[1] + "$" + fields[0]
		}
	case "scrypt_werkzeug":
		fields = strings.Split(strings.TrimPrefix(digest, "$"), "$")
		if _, err := hex.DecodeString(fields[len(fields)-1]); err == nil {
			return strings.Join(fields, "$")
		}
		// Werkzeug writes the key in hexadecimal. Clerk's documentation says base64.
		if key, ok := bytesOf(fields[len(fields)-1], "base64"); ok && len(fields) == 3 {
			return fields[0] + "$" + fields[1] + "$" + hex.EncodeToString(key)
		}
	default:
		return ""
	}
	if digest == "" {
		return ""
	}
	return malformed
}

// clerkPBKDF2 translates hasher$iterations$salt$key. Each hasher encodes the salt and the
// key in its own way.
func clerkPBKDF2(hasher string, fields []string) string {
	saltIn, keyIn := "hex", "hex"
	switch hasher {
	case "pbkdf2_sha256":
		saltIn, keyIn = "base64", "base64"
	case "pbkdf2_sha512":
		saltIn = "utf8"
	}
	salt, ok := bytesOf(fields[2], saltIn)
	if hasher == "pbkdf2_sha1" && !ok { // then it is a text
		salt, ok = []byte(fields[2]), true
	}
	key, keyOK := bytesOf(fields[3], keyIn)
	if !ok || !keyOK {
		return malformed
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(hasher, "pbkdf2_"), "_")
	return pbkdf2Hash(name, fields[1], salt, key)
}
