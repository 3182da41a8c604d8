package systems

import (
	"bufio"
	"encoding/json"
	"strconv"
	"strings"

	"guildhall/platform/moving"
)

// keycloak reads the files of a realm export: the realm, with its organizations, and the
// users, who may be in the same file or in others. Ids are kept. Service accounts are left
// out.
var keycloak = System{Name: "keycloak", files: func(o Options) reader { return &keycloakReader{o, newTeams()} }}

type keycloakReader struct {
	options Options
	teams
}

func (k *keycloakReader) learn(in *bufio.Reader) error {
	return members(in, map[string]func(int64, record) error{"organizations": func(_ int64, r record) error {
		for _, m := range r.list("members") {
			k.add(r.text("id"), strings.ToLower(m.text("username")), "member", nil)
		}
		return nil
	}})
}

func (k *keycloakReader) rows(in *bufio.Reader, take moving.Take) error {
	return members(in, map[string]func(int64, record) error{
		"users": func(n int64, r record) error {
			if r.has("serviceAccountClientId") {
				return nil
			}
			p, err := k.person(r)
			if err != nil {
				return err
			}
			return take(n, p)
		},
		"organizations": func(n int64, r record) error {
			id := r.text("id")
			o := &moving.Row{Type: "organization", Name: new(r.first("name", "alias"))}
			identify(o, id)
			if r.text("enabled") == "false" {
				suspend(o, "", nil)
			}
			return take(n, k.own(o, id, k.options))
		},
	})
}

func (k *keycloakReader) person(r record) (*moving.Row, error) {
	id := r.text("id")
	p := person(r.text("email"), named(r.text("firstName"), r.text("lastName")), r.text("username"))
	identify(p, id)
	p.EmailVerified, p.CreatedAt = new(r.is("emailVerified")), r.moment("createdTimestamp")
	p.Memberships = k.memberships[strings.ToLower(r.text("username"))]
	attributes := r.nested("attributes")
	for name, set := range map[string]func(string){
		"locale":  func(v string) { p.Locale = locale(v) },
		"picture": func(v string) { p.AvatarURL = avatar(v) },
	} {
		if values, _ := attributes[name].([]any); len(values) > 0 {
			v, _ := values[0].(string)
			set(v)
		}
	}
	if r.text("enabled") == "false" {
		stand(p, "deactivated")
	}
	credential, err := keycloakCredential(r)
	p.PasswordHash = credential
	return p, err
}

// keycloakCredential returns the newest credential of the type password, or nil: also for one
// by an algorithm that is an extension, which no log-in here can check.
func keycloakCredential(r record) (*string, error) {
	var newest record
	var at float64
	for _, c := range r.list("credentials") {
		created, _ := strconv.ParseFloat(c.text("createdDate"), 64)
		if c.text("type") == "password" && (newest == nil || created > at) {
			newest, at = c, created
		}
	}
	data := newest.nested("credentialData")
	switch data.text("algorithm") {
	case "pbkdf2", "pbkdf2-sha256", "pbkdf2-sha512", "argon2":
	default:
		return nil, nil
	}
	text, err := json.Marshal(record{"type": "password", "secretData": newest["secretData"], "credentialData": newest["credentialData"]})
	return new(string(text)), err
}
