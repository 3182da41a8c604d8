package main

import (
	"strings"
	"testing"
)

// TestPeopleMoveInFromFirebase imports what `firebase auth:export` writes, in both formats.
// The hash is the one that firebase/scrypt publishes.
func TestPeopleMoveInFromFirebase(t *testing.T) {
	const hash, salt, chosen = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==", "42xEC+ixf3L2lw==", "user1password"
	each(t, func(t *testing.T, s *service) {
		c := s.atServer(importKeysSetting)
		flags := func(more ...string) []string {
			return append([]string{"--from", "firebase", "--hash-key", "firebase", "--salt-separator", "Bw==", "--rounds", "8", "--memory-cost", "14", "--trust-verified"}, more...)
		}
		users := c.file("users.json", `{"users": [`,
			`{"localId": "abc123def456ghi789jk0000001", "email": "ada@old.example", "emailVerified": true, "passwordHash": "`+hash+`", "salt": "`+salt+`", "displayName": "Ada Lovelace", "photoUrl": "https://example.com/a.png", "lastSignedInAt": "1704153600000", "createdAt": "1714558830123", "providerUserInfo": []},`,
			`{"localId": "2", "email": "dora@old.example", "emailVerified": false, "passwordHash": "`+hash+`", "salt": "`+salt+`", "createdAt": "1714558830123", "disabled": true, "customAttributes": "{\"admin\":true}", "providerUserInfo": []},`,
			`{"localId": "3", "email": "grace@old.example", "emailVerified": true, "displayName": "Grace", "createdAt": "1714558830123", "providerUserInfo": [{"providerId": "google.com", "rawId": "11", "email": "grace@old.example", "displayName": "Grace"}]},`,
			`{"localId": "4", "createdAt": "1714558830123", "providerUserInfo": []},`,
			`{"localId": "5", "createdAt": "1714558830123", "phoneNumber": "+15550100", "providerUserInfo": []},`,
			`{"localId": "6", "createdAt": "1714558830123", "providerUserInfo": [{"providerId": "twitter.com", "rawId": "12"}]}`,
			`]}`)
		empty := func(n int) string { return strings.Repeat(",", n) }
		csv := c.file("users.csv", // 52 columns, and a comma at the end of each line
			`csv1,eve@old.example,true,`+hash+`,`+salt+`,"Eve, ""the"" first",https://example.com/e.png,11,eve@google.example,,`+empty(14)+`1714558830123,1714558830123,,false,"{""plan"":""pro""}",`+empty(24),
			`csv2,,false,,,,`+empty(17)+`1714558830123,,,,`+empty(25),
			`csv3,,false,,,,`+empty(17)+`1714558830123,,+15550101,,`+empty(25),
			`csv4,zoe@old.example,false,`+hash+`,`+salt+`,,`+empty(17)+`1714558830123,,,true,`+empty(25),
			`csv5,,false,,,,`+empty(17)+`1714558830123,,,,,13,someone@appleid.example,,`+empty(21))
		known := c.file("known.csv", "email,password", "ada@old.example,"+chosen, "eve@old.example,"+chosen)
		m, _ := c.imports(flags("--verify", known, users, csv)...)
		if want := (moved{People: 9, Made: 5, Refused: 4, WithoutPassword: 1, Verified: 2, Listed: m.Listed}); m != want {
			t.Errorf("%+v", m)
		}
		if got := strings.Join(append(c.refusals(users), c.refusals(csv)...), "\n"); got != "5 email required\n6 email required\n3 email required\n5 email required" {
			t.Errorf("refused: %s", got)
		}
		s.hasOrganizations(chosen, map[string]string{"ada@old.example": "", "eve@old.example": ""})
		s.logIn("dora@old.example", chosen).is(403, "account_inactive")
		s.logIn("zoe@old.example", chosen).is(403, "account_inactive")
		s.logIn("grace@old.example", chosen).is(401)
		ada, _ := s.entersAs("ada@old.example", chosen)
		if me := ada.get("/auth/me").is(200); me.str("name") != "Ada Lovelace" || me.str("avatar_url") != "https://example.com/a.png" || me.str("created_at") != "2024-05-01T10:20:30.123Z" || me.value("email_verified") != true {
			t.Errorf("me: %s", me.body)
		}
		eve, _ := s.entersAs("eve@old.example", chosen)
		if v := s.operator("Oz").get("/users/" + eve.id).is(200); v.str("external_id") != "csv1" || v.str("name") != `Eve, "the" first` || v.str("avatar_url") != "https://example.com/e.png" {
			t.Errorf("as operator: %s", v.body)
		}
		s.isSound()

		// Without the name of the signer key, no hash can be checked, and those people are refused.
		again := c.file("again.json", `{"users":[{"localId":"7","email":"yan@old.example","passwordHash":"`+hash+`","salt":"`+salt+`"},{"localId":"8","email":"wes@old.example"}]}`)
		m, errs := c.imports("--from", "firebase", again)
		if got := strings.Join(c.refusals(again), "\n"); m.Made != 1 || got != "1 password_hash unreadable_hash" || strings.Contains(errs, hash[:20]) {
			t.Errorf("%+v %s %s", m, got, errs)
		}
	}, importKeys)
}
