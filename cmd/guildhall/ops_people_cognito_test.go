package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestPeopleMoveInFromCognito imports what `aws cognito-idp list-users` prints, and a CSV file
// with the columns of get-csv-header. Nobody has a password, and everybody is invited.
func TestPeopleMoveInFromCognito(t *testing.T) {
	mails := newSMTPServer(t)
	each(t, func(t *testing.T, s *service) {
		c := s.atServer(mails.environment()...)
		const ada = "8f7a1c52-20b1-70f0-1111-0123456789ab"
		user := func(sub, username, enabled, status string, attributes ...string) string {
			list := []string{`{"Name":"sub","Value":"` + sub + `"}`}
			for _, a := range attributes {
				name, value, _ := strings.Cut(a, "=")
				list = append(list, `{"Name":"`+name+`","Value":"`+value+`"}`)
			}
			return `{"Username":"` + username + `","Attributes":[` + strings.Join(list, ",") + `],"UserCreateDate":"2024-05-01T10:20:30.123000+00:00","UserLastModifiedDate":"2024-05-01T10:20:30.123000+00:00","Enabled":` + enabled + `,"UserStatus":"` + status + `"}`
		}
		first := `{"Users":[` + user(ada, ada, "true", "CONFIRMED", "email=ada@old.example", "email_verified=true", "name=Ada Lovelace", "picture=https://example.com/a.png", "locale=de-DE") + `,` +
			user("8f7a1c52-20b1-70f0-2222-0123456789ab", "grace", "true", "FORCE_CHANGE_PASSWORD", "email=grace@old.example", "email_verified=false", "given_name=Grace", "family_name=Hopper", "custom:plan=pro") + `],"PaginationToken":"x"}`
		// Pages may be appended to one file. The first versions of the command print numbers as times.
		second := strings.Replace(`{"Users":[`+user("8f7a1c52-20b1-70f0-3333-0123456789ab", "dora", "false", "CONFIRMED", "email=dora@old.example")+`,`+
			user("8f7a1c52-20b1-70f0-4444-0123456789ab", "phone", "true", "CONFIRMED", "phone_number=+15550100", "phone_number_verified=true")+`]}`,
			`"2024-05-01T10:20:30.123000+00:00"`, `1714558830.123`, 1)
		users := c.file("users.json", first, second)
		csv := c.file("users.csv",
			"name,given_name,family_name,middle_name,nickname,preferred_username,profile,picture,website,email,email_verified,gender,birthdate,zoneinfo,locale,phone_number,phone_number_verified,address,updated_at,cognito:mfa_enabled,cognito:username",
			`,Eve,,,,,,,,eve@old.example,TRUE,,,,,,FALSE,,,FALSE,eve`)
		m, _ := c.imports("--from", "cognito", "--invite", "--trust-verified", users, csv)
		if want := (moved{People: 5, Made: 4, Refused: 1, WithoutPassword: 4, Invited: 4}); m != want {
			t.Errorf("%+v", m)
		}
		if got := strings.Join(c.refusals(users), "\n"); got != "4 email required" {
			t.Errorf("refused: %s", got)
		}
		operator := s.operator("Oz")
		v := operator.get("/users/" + ada).is(200)
		if v.str("name") != "Ada Lovelace" || v.str("external_id") != ada || v.value("email_verified") != true || v.str("created_at") != "2024-05-01T10:20:30.123Z" {
			t.Errorf("Ada: %s", v.body)
		}
		if v := operator.get("/users/8f7a1c52-20b1-70f0-3333-0123456789ab").is(200); v.str("created_at") != "2024-05-01T10:20:30.123Z" || v.value("is_active") != false {
			t.Errorf("Dora: %s", v.body)
		}
		var names []string
		for _, row := range s.table("SELECT email, external_id FROM users WHERE email IN ('grace@old.example', 'eve@old.example') ORDER BY email") {
			names = append(names, fmt.Sprint(row))
		}
		if got := strings.Join(names, ""); got != "[eve@old.example eve][grace@old.example 8f7a1c52-20b1-70f0-2222-0123456789ab]" {
			t.Errorf("ids: %s", got)
		}
		if got := fmt.Sprint(s.table("SELECT kind, recipient, locale FROM mail_outbox WHERE recipient = 'ada@old.example'")); got != "[[set_password ada@old.example de]]" {
			t.Errorf("mails: %s", got)
		}
		s.isSound()
	})
}

// TestPeopleOfCognitoSetAPassword imports without mail: the people are listed, and log in once
// they have a password.
func TestPeopleOfCognitoSetAPassword(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		path := c.file("users.json", `[{"Username":"ada","Attributes":[{"Name":"email","Value":"ada@old.example"}],"Enabled":true,"UserStatus":"CONFIRMED"}]`)
		m, _ := c.imports("--from", "cognito", path)
		if listed, err := os.ReadFile(m.Listed); err != nil || string(listed) != "ada@old.example\n" || m.Made != 1 {
			t.Fatalf("%+v %s %v", m, listed, err)
		}
		s.logIn("ada@old.example", password).is(401)
		out, errs, status := separately(t, password+"\n", c.dir, c.environ, "admin", "set-password", "ada@old.example")
		if status != 0 {
			t.Fatalf("%d\n%s%s", status, out, errs)
		}
		s.hasOrganizations(password, map[string]string{"ada@old.example": ""})
	})
}
