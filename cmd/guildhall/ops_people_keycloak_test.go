package main

import (
	"crypto/pbkdf2"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// keycloakCredential is a credential of a realm export.
func keycloakCredential(created int64, value, salt, data string) string {
	quote := func(s string) string { return strings.ReplaceAll(s, `"`, `\"`) }
	return fmt.Sprintf(`{"id":"5c5f3b5c-2f0c-4c8e-9d0c-%012d","type":"password","userLabel":"My password","createdDate":%d,"secretData":"%s","credentialData":"%s"}`, created, created,
		quote(`{"value":"`+value+`","salt":"`+salt+`","additionalParameters":{}}`), quote(data))
}

// TestPeopleMoveInFromKeycloak imports a realm export in several files, and in one.
func TestPeopleMoveInFromKeycloak(t *testing.T) {
	// Bouncy Castle, which Keycloak uses, made this key with Keycloak's default parameters.
	argon2 := keycloakCredential(2, "Q45IxG4PwBevmplUDc6BqCFdx2Ns+wKOfq8wjPsSmeg=", "c2Vhc2FsdHNlYXNhbHQxNg==",
		`{"hashIterations":5,"algorithm":"argon2","additionalParameters":{"hashLength":["32"],"memory":["7168"],"type":["id"],"version":["1.3"],"parallelism":["1"]}}`)
	// From a realm export that others published: its password is "password".
	published := keycloakCredential(1, "JsfNbCOIdZUbyBJ+BT+VoGI91Ec2rWLOvkLPDaX8e9k=", "P5rtFkGtPfoaryJ6PizUJw==",
		`{"hashIterations":27500,"algorithm":"pbkdf2-sha256","additionalParameters":{}}`)
	key, err := pbkdf2.Key(sha512.New, password, []byte("salt of 16 bytes"), 1000, 64)
	if err != nil {
		t.Fatal(err)
	}
	pbkdf2 := keycloakCredential(1714558830000, base64.StdEncoding.EncodeToString(key), base64.StdEncoding.EncodeToString([]byte("salt of 16 bytes")),
		`{"hashIterations":1000,"algorithm":"pbkdf2-sha512","additionalParameters":{}}`)
	extension := keycloakCredential(3, "JDJhJDEw", "", `{"hashIterations":10,"algorithm":"bcrypt","additionalParameters":{}}`)
	const totp = `{"id":"7","type":"otp","userLabel":"","createdDate":9999999999999,"secretData":"{\"value\":\"x\"}","credentialData":"{\"subType\":\"totp\",\"digits\":6}"}`
	id := func(n int) string { return fmt.Sprintf("f2b0e6a1-7c7e-4a57-9f5e-%012d", n) }
	user := func(n int, name, more string) string {
		return `{"id":"` + id(n) + `","username":"` + name + `","email":"` + name + `@old.example","emailVerified":true,"createdTimestamp":1714558830123,"enabled":true,"totp":false,"disableableCredentialTypes":[],"requiredActions":[],"realmRoles":["default-roles-old"],"notBefore":0,"groups":[]` + more + `}`
	}
	users := []string{
		user(1, "ada", `,"firstName":"Ada","lastName":"Lovelace","attributes":{"locale":["de"],"picture":["https://example.com/a.png"]},"credentials":[`+totp+`,`+published+`,`+argon2+`]`),
		user(2, "grace", `,"credentials":[`+pbkdf2+`,`+published+`]`),
		strings.Replace(user(3, "dora", `,"firstName":"Dora","credentials":[`+published+`]`), `"enabled":true`, `"enabled":false`, 1),
		user(4, "lena", `,"federationLink":"b5e2","credentials":[]`),
		user(5, "ext", `,"credentials":[`+extension+`]`),
		`{"id":"` + id(6) + `","username":"service-account-cli","emailVerified":false,"createdTimestamp":1714558830123,"enabled":true,"serviceAccountClientId":"cli","credentials":[]}`,
		`{"id":"` + id(7) + `","username":"nomail","emailVerified":false,"createdTimestamp":1714558830123,"enabled":true,"credentials":[]}`,
	}
	organizations := `"organizations":[
		{"id":"` + id(11) + `","name":"Engines","alias":"engines","enabled":true,"description":"","redirectUrl":"","attributes":{},"domains":[{"name":"engines.example","verified":false}],"members":[{"username":"ada","membershipType":"UNMANAGED"},{"username":"grace","membershipType":"MANAGED"}],"identityProviders":[]},
		{"id":"` + id(12) + `","name":"Foundry","alias":"foundry","enabled":false,"members":[{"username":"grace","membershipType":"UNMANAGED"},{"username":"dora","membershipType":"UNMANAGED"}]},
		{"id":"` + id(13) + `","name":"Empty","alias":"empty","enabled":true}]`
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		realm := c.file("old-realm.json", `{"id":"r","realm":"old","enabled":true,"roles":{"realm":[]},"groups":[],"users":[`+users[5]+`],`+organizations+`,"keycloakVersion":"26.4.0"}`)
		first := c.file("old-users-0.json", `{"realm":"old","users":[`+strings.Join(users[:4], ",")+`]}`)
		second := c.file("old-users-1.json", `{"realm":"old","users":[`+strings.Join(users[4:], ",")+`]}`)
		m, _ := c.imports("--from", "keycloak", "--owner", "ada@old.example", "--trust-verified", realm, first, second)
		if want := (moved{People: 6, Made: 5, Refused: 1, WithoutPassword: 2, Organizations: 3, Memberships: 6, Listed: m.Listed}); m != want {
			t.Errorf("%+v", m)
		}
		if got := strings.Join(c.refusals(second), "\n"); got != "3 email required" {
			t.Errorf("refused: %s", got)
		}
		s.hasOrganizations(password, map[string]string{"ada@old.example": "Empty owner, Engines owner, Foundry owner", "grace@old.example": "Engines member, Foundry member"})
		s.logIn("dora@old.example", "password").is(403, "account_inactive")
		s.logIn("lena@old.example", password).is(401)
		s.logIn("ext@old.example", password).is(401)
		ada, _ := s.entersAs("ada@old.example", password)
		me := ada.get("/auth/me").is(200)
		if ada.id != id(1) || me.str("name") != "Ada Lovelace" || me.str("created_at") != "2024-05-01T10:20:30.123Z" || me.value("email_verified") != true || me.str("locale") != "de" || me.str("avatar_url") != "https://example.com/a.png" {
			t.Errorf("me: %s %s", ada.id, me.body)
		}
		operator := s.operator("Oz")
		if o := operator.get("/organizations/" + id(12)).is(200); o.str("name") != "Foundry" || o.str("external_id") != id(12) || o.value("is_suspended") != true {
			t.Errorf("the Foundry: %s", o.body)
		}
		s.isSound()

		// Everybody in one file, into the same service: nothing is made twice.
		before := s.sizes()
		all := c.file("old-realm-2.json", `{"realm":"old",`+organizations+`,"users":[`+strings.Join(users, ",\n")+`]}`)
		m, _ = c.imports("--from", "keycloak", "--owner", "ada@old.example", "--allow-existing-organizations", all)
		if after := s.sizes(); fmt.Sprint(before) != fmt.Sprint(after) || m.Made != 0 || m.Found != 5 || m.Existing != 3 {
			t.Errorf("again: %+v\n%v\n%v", m, before, after)
		}
	})
}

// TestPeopleMoveInFromKeycloakInOneFile imports the file of `--users realm_file`.
func TestPeopleMoveInFromKeycloakInOneFile(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		published := keycloakCredential(1, "E1wOmdX7G+d0xjw9LLbgcu7rKhhCkfqVK1oBSuu6W3dc5yjJ/lKGMkKF9AW0iNnEm0X/wRYFvTyWXh3fjhkb3g==", "sZmxNOK9vr12uXWu7xGltQ==",
			`{"hashIterations":27500,"algorithm":"pbkdf2-sha256","additionalParameters":{}}`)
		path := c.file("old-realm.json", `{"realm":"old","users":[{"id":"not-a-uuid","username":"Ada","email":"ada@old.example","enabled":true,"credentials":[`+published+`]}],`+
			`"organizations":[{"id":"81fbb1c4-5d55-4a7c-8f8c-7b9b7d6a0e11","name":"Engines","alias":"engines","enabled":true,"members":[{"username":"ada","membershipType":"UNMANAGED"}]}]}`)
		if out, errs, status := separately(t, "", c.dir, c.environ, "import", "people", "--from", "keycloak", path); status != 0 || !strings.Contains(errs, "owner_missing") {
			t.Errorf("without --owner: %d\n%s%s", status, out, errs)
		}
		m, _ := c.imports("--from", "keycloak", "--owner", "ada@old.example", path)
		if want := (moved{People: 1, Made: 1, Organizations: 1, Memberships: 1}); m != want {
			t.Errorf("%+v", m)
		}
		ada, organizations := s.entersAs("ada@old.example", "password")
		if v := s.operator("Oz").get("/users/" + ada.id).is(200); organizations != "Engines owner" || v.str("external_id") != "not-a-uuid" || v.str("name") != "Ada" {
			t.Errorf("%s %s", organizations, v.body)
		}
	})
}
