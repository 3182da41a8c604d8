package main

import (
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/scrypt"
)

// entersAs logs a person in with the password of the other system, and not with another one.
// It returns them, and their organizations: "Engines owner, Foundry member".
func (s *service) entersAs(email, chosen string) (a *actor, organizations string) {
	s.t.Helper()
	s.logIn(email, "wrong "+chosen).is(401, "invalid_credentials")
	a = s.actorOf(s.logIn(email, chosen).is(200))
	var list []string
	for _, o := range a.get("/organizations").is(200).list() {
		list = append(list, fmt.Sprint(o["name"], " ", o["role"]))
	}
	slices.Sort(list)
	return a, strings.Join(list, ", ")
}

// hasOrganizations checks several people who have the same password.
func (s *service) hasOrganizations(chosen string, want map[string]string) {
	s.t.Helper()
	for email, organizations := range want {
		if _, got := s.entersAs(email, chosen); got != organizations {
			s.t.Errorf("%s: %s", email, got)
		}
	}
}

// TestPeopleMoveInFromAuth0 imports users, the hashes that Auth0's support sends, and
// organizations with their members.
func TestPeopleMoveInFromAuth0(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		hash := bcrypted(t, password)
		users := c.file("users.json",
			`{"user_id":"auth0|5dea9f9c82dd7c0e76e4ec93","email":"ada@old.example","email_verified":true,"name":"Ada Lovelace","given_name":"Ada","family_name":"Lovelace","nickname":"ada","picture":"https://s.gravatar.com/avatar/1?s=480&r=pg&d=https%3A%2F%2Fcdn.auth0.com%2Favatars%2Fad.png","created_at":"2019-12-06T18:36:12.412Z","identities":[{"connection":"Username-Password-Authentication","provider":"auth0","user_id":"5dea9f9c82dd7c0e76e4ec93","isSocial":false}],"app_metadata":{"plan":"pro"},"logins_count":135}`,
			`{"user_id":"auth0|euclid","email":"euclid@old.example","email_verified":false,"given_name":"Euclid","picture":"http://insecure.example/e.png","created_at":"2020-01-02T03:04:05.000Z","locale":"de-AT"}`,
			`{"user_id":"auth0|blocked","email":"eve@old.example","name":"Eve","created_at":"2020-01-02T03:04:05.000Z","blocked":true}`,
			`{"user_id":"google-oauth2|1","email":"grace@old.example","email_verified":true,"name":"Grace","created_at":"2020-01-02T03:04:05.000Z"}`,
			`{"user_id":"google-oauth2|2","email":"ada@old.example","email_verified":true,"name":"Ada, again"}`,
			`{"user_id":"sms|3","name":"+15550100","phone_number":"+15550100"}`)
		hashes := c.file("hashes.json",
			`{"_id":{"$oid":"5dea9f9c82dd7c0e76e4ec93"},"email_verified":true,"email":"ada@old.example","passwordHash":"`+hash+`","password_set_date":{"$date":"2019-12-06T18:36:12.412Z"},"tenant":"old","connection":"Username-Password-Authentication","_tmp_is_unique":true,"identifiers":[{"type":"email","value":"ada@old.example","verified":true}]}`,
			`{"_id":{"$oid":"5dea9f9c82dd7c0e76e4ec94"},"passwordHash":"`+hash+`","tenant":"old","connection":"Username-Password-Authentication","identifiers":[{"type":"phone","value":"+1"},{"type":"email","value":"euclid@old.example","verified":true}],"alt_id":"euclid"}`,
			`{"_id":{"$oid":"5dea9f9c82dd7c0e76e4ec95"},"email":"eve@old.example","passwordHash":"`+hash+`","alt_id":"blocked"}`)
		organizations := c.file("organizations.json",
			`{"id":"org_1","name":"engines","display_name":"Engines","members":[{"user_id":"auth0|5dea9f9c82dd7c0e76e4ec93","roles":[{"id":"rol_1","name":"Owner"}]},{"user_id":"auth0|euclid","roles":[{"id":"rol_2","name":"Admin"},{"id":"rol_3","name":"Billing"}]},{"user_id":"google-oauth2|1","roles":[]}]}`,
			`{"id":"org_2","name":"foundry","members":[{"user_id":"auth0|euclid","roles":[]}]}`,
			`{"id":"org_3","name":"empty","display_name":"Empty"}`)
		m, _ := c.imports("--from", "auth0", "--owner", "ada@old.example", "--trust-verified", organizations, users, hashes)
		if want := (moved{People: 6, Made: 4, WithoutPassword: 1, Refused: 2, Organizations: 3, Memberships: 6, Listed: m.Listed}); m != want {
			t.Errorf("%+v", m)
		}
		if got := strings.Join(c.refusals(users), "\n"); got != "5 email repeated\n6 email required" {
			t.Errorf("refused: %s", got)
		}
		s.hasOrganizations(password, map[string]string{"ada@old.example": "Empty owner, Engines owner, foundry owner", "euclid@old.example": "Engines admin, foundry member"})
		s.logIn("eve@old.example", password).is(403, "account_suspended")
		s.logIn("grace@old.example", password).is(401)
		euclid, _ := s.entersAs("euclid@old.example", password)
		me := euclid.get("/auth/me").is(200)
		if me.str("name") != "Euclid" || me.value("avatar_url") != nil || me.str("created_at") != "2020-01-02T03:04:05Z" || me.value("email_verified") != false || me.str("locale") != "de" {
			t.Errorf("me: %s", me.body)
		}
		if v := s.operator("Oz").get("/users/" + euclid.id).is(200); v.str("external_id") != "auth0|euclid" {
			t.Errorf("as operator: %s", v.body)
		}
		s.isSound()
	})
}

// TestPeopleMoveInFromAuth0WithTheirHashesOnly imports the file of the support alone, and the
// CSV file of an export.
func TestPeopleMoveInFromAuth0WithTheirHashesOnly(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		hash := bcrypted(t, password)
		m, _ := c.imports("--from", "auth0", c.file("hashes.json",
			`{"_id":{"$oid":"5dea9f9c82dd7c0e76e4ec93"},"email_verified":true,"email":"ada@old.example","passwordHash":"`+hash+`","connection":"Username-Password-Authentication"}`,
			`{"_id":{"$oid":"5dea9f9c82dd7c0e76e4ec94"},"passwordHash":"`+hash+`","identifiers":[{"type":"email","value":"euclid@old.example","verified":true}],"alt_id":"euclid"}`))
		if want := (moved{People: 2, Made: 2}); m != want {
			t.Errorf("%+v", m)
		}
		s.hasOrganizations(password, map[string]string{"ada@old.example": "", "euclid@old.example": ""})
		m, _ = c.imports("--from", "auth0", c.file("users.csv", `user_id,email,email_verified,name,created_at`, `auth0|7,zoe@old.example,true,"Zoe, of Auth0",2020-01-02T03:04:05.000Z`))
		if m.Made != 1 || m.WithoutPassword != 1 {
			t.Errorf("%+v", m)
		}
		var ids []string
		for _, u := range s.operator("Oz").get("/users?scope=all").is(200).list() {
			if u["external_id"] != nil {
				ids = append(ids, fmt.Sprint(u["external_id"], " ", u["name"]))
			}
		}
		slices.Sort(ids)
		if got := strings.Join(ids, "\n"); got != "auth0|5dea9f9c82dd7c0e76e4ec93 ada\nauth0|7 Zoe, of Auth0\nauth0|euclid euclid" {
			t.Errorf("ids: %s", got)
		}
	})
}

// TestPeopleMoveInFromAFileForAuth0 imports a file in the form that Auth0 imports, with each
// kind of custom_password_hash.
func TestPeopleMoveInFromAFileForAuth0(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		key, err := pbkdf2.Key(sha512.New, password, []byte("salt of 16 bytes"), 1000, 64)
		if err != nil {
			t.Fatal(err)
		}
		hundred, err := pbkdf2.Key(sha256.New, password, []byte("salt of 16 bytes"), 100_000, 64)
		if err != nil {
			t.Fatal(err)
		}
		b64 := base64.RawStdEncoding.EncodeToString
		scrypted, err := scrypt.Key([]byte(password), []byte("abc123"), 4096, 8, 1, 32)
		if err != nil {
			t.Fatal(err)
		}
		prefix, suffix, plain := sha256.Sum256([]byte("abc123"+password)), sha512.Sum512([]byte(password+"\xff\xfe")), md5.Sum([]byte(password))
		salted := sha512.Sum384([]byte(password + "pepper"))
		all := []struct{ name, custom string }{
			{"bcrypt", `{"algorithm":"bcrypt","hash":{"value":"` + bcrypted(t, password) + `"}}`},
			{"argon2", `{"algorithm":"argon2","hash":{"value":"$argon2id$v=19$m=7168,t=5,p=1$c2Vhc2FsdHNlYXNhbHQxNg$Q45IxG4PwBevmplUDc6BqCFdx2Ns+wKOfq8wjPsSmeg"}}`}, // by Debian's argon2
			{"pbkdf2", `{"algorithm":"pbkdf2","hash":{"value":"$pbkdf2-sha512$i=1000,l=64$` + b64([]byte("salt of 16 bytes")) + `$` + b64(key) + `","encoding":"utf8"}}`},
			{"pbkdf2-defaults", `{"algorithm":"pbkdf2","hash":{"value":"$pbkdf2-sha256$` + b64([]byte("salt of 16 bytes")) + `$` + b64(hundred) + `"}}`},
			{"scrypt", `{"algorithm":"scrypt","hash":{"value":"` + strings.ToUpper(hex.EncodeToString(scrypted)) + `","encoding":"hex"},"salt":{"value":"abc123","encoding":"utf8"},"keylen":32,"cost":4096}`},
			{"sha256", `{"algorithm":"sha256","hash":{"value":"` + hex.EncodeToString(prefix[:]) + `","encoding":"hex"},"salt":{"value":"abc123","position":"prefix"}}`},
			{"sha512", `{"algorithm":"sha512","hash":{"value":"` + base64.URLEncoding.EncodeToString(suffix[:]) + `","encoding":"base64"},"salt":{"value":"__4=","encoding":"base64","position":"suffix"}}`},
			{"md5", `{"algorithm":"md5","hash":{"value":"` + base64.StdEncoding.EncodeToString(plain[:]) + `","encoding":"base64"}}`},
			{"ldap", `{"algorithm":"ldap","hash":{"value":"{SSHA384}` + base64.StdEncoding.EncodeToString(append(salted[:], "pepper"...)) + `","encoding":"utf8"}}`},
		}
		var lines []string
		for _, one := range all {
			lines = append(lines, `{"user_id":"`+one.name+`","email":"`+one.name+`@old.example","custom_password_hash":`+one.custom+`}`)
		}
		lines = append(lines,
			`{"email":"old@old.example","password_hash":"`+bcrypted(t, password)+`","username":"old","app_metadata":{}}`,
			`{"email":"md4@old.example","custom_password_hash":{"algorithm":"md4","hash":{"value":"AbuUujgF0pPPkJPSFRTpmA==","encoding":"base64"}}}`,
			`{"email":"hmac@old.example","custom_password_hash":{"algorithm":"hmac","hash":{"value":"cg7f42jH39/2EaAU4wNd4s2lKIk=","encoding":"base64","digest":"sha1","key":{"value":"736868","encoding":"hex"}}}}`,
			`{"email":"ucs2@old.example","custom_password_hash":{"algorithm":"md5","hash":{"value":"AbuUujgF0pPPkJPSFRTpmA==","encoding":"base64"},"password":{"encoding":"ucs2"}}}`,
			`{"email":"peppered@old.example","custom_password_hash":{"algorithm":"bcrypt","hash":{"value":"`+bcrypted(t, password)+`"},"salt":{"value":"pepper"}}}`,
			`{"email":"bad@old.example","custom_password_hash":{"algorithm":"sha256","hash":{"value":"SECRET","encoding":"hex"}}}`,
			`{"email":"pbkdf2-md4@old.example","custom_password_hash":{"algorithm":"pbkdf2","hash":{"value":"$pbkdf2-md4$i=100000,l=64$+N375B8q0Fw$fp2R9KAM4hK/votGHC5Fu+jhqbxUD8+Nic/EMSGvNC3UP/k7wSHI0uXluHRSkZfl/BOheYqNOemayG90ZaSSQw"}}}`)
		path := c.file("import.json", "["+strings.Join(lines, ",\n")+"]")
		m, errs := c.imports("--from", "auth0", path)
		if want := (moved{People: 16, Made: 14, WithoutPassword: 4, Refused: 2, Listed: m.Listed}); m != want || strings.Contains(errs, "SECRET") {
			t.Errorf("%+v %s", m, errs)
		}
		if got := strings.Join(c.refusals(path), "\n"); got != "15 password_hash unreadable_hash\n16 password_hash unreadable_hash" {
			t.Errorf("refused: %s", got)
		}
		if listed, err := os.ReadFile(m.Listed); err != nil || strings.Join(strings.Fields(string(listed)), " ") != "md4@old.example hmac@old.example ucs2@old.example peppered@old.example" {
			t.Errorf("without password: %s %v", listed, err)
		}
		want := map[string]string{"old@old.example": ""}
		for _, one := range all {
			want[one.name+"@old.example"] = ""
		}
		s.hasOrganizations(password, want)
	})
}
