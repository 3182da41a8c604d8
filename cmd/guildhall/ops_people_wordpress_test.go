package main

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// TestPeopleMoveInFromWordPress reads lists of wp-cli and the table of users, with every kind
// of hash that WordPress has had.
func TestPeopleMoveInFromWordPress(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		const chosen = "correct horse battery"
		sum := md5.Sum([]byte(chosen))
		ancient := hex.EncodeToString(sum[:])
		list := c.file("users.json", `[{"ID":1,"user_login":"ada","display_name":"Ada Lovelace","user_email":"ada@old.example","user_registered":"2020-01-02 03:04:05","user_pass":"`+strings.ReplaceAll(hashBy(t, "passlib phpass", chosen), "/", `\/`)+`"},`+
			`{"ID":2,"user_login":"grace","display_name":"","user_email":"grace@old.example","user_registered":"2020-01-02 03:04:05","user_pass":"`+hashBy(t, "WordPress 6.8", chosen)+`"},`+
			`{"ID":3,"user_login":"eve@old.example","display_name":"","user_email":"eve@old.example","user_registered":"0000-00-00 00:00:00","user_pass":"`+ancient+`"},`+
			`{"ID":4,"user_login":"zoe","display_name":"Zoe","user_email":"zoe@old.example","user_registered":"2020-01-02 03:04:05","user_pass":""},`+
			`{"ID":5,"user_login":"no","display_name":"No","user_email":"","user_registered":"2020-01-02 03:04:05","user_pass":"`+ancient+`"}]`)
		m, _ := c.imports("--from", "wordpress", list)
		if want := (moved{People: 5, Made: 4, Refused: 1, WithoutPassword: 1, Listed: m.Listed}); m != want {
			t.Errorf("%+v", m)
		}
		if got := strings.Join(c.refusals(list), "\n"); got != "5 email required" {
			t.Errorf("refused: %s", got)
		}
		table := c.file("wp_users.csv",
			`"ID","user_login","user_pass","user_nicename","user_email","user_url","user_registered","user_activation_key","user_status","display_name","spam","deleted"`,
			`"11","yan","`+bcrypted(t, chosen)+`","yan","yan@old.example","","2021-01-02 03:04:05","","0","Yan","0","0"`,
			`"12","spammer","`+bcrypted(t, chosen)+`","s","spam@old.example","","2021-01-02 03:04:05","","0","Spam","1","0"`,
			`"13","status","`+ancient+`","s","status@old.example","","2021-01-02 03:04:05","","1","Status","0","0"`,
			`"14","gone","`+ancient+`","s","gone@old.example","","2021-01-02 03:04:05","","0","Gone","0","1"`)
		if m, _ := c.imports("--from", "wordpress", table); m.Made != 3 || m.Refused != 0 {
			t.Errorf("the table: %+v", m)
		}
		if stored := fmt.Sprint(s.table("SELECT password_hash FROM user_login_password")); strings.Contains(stored, ancient) || strings.Count(stored, "$argon2id$") < 2 {
			t.Error("MD5 is stored as it is")
		}
		var today string
		if row := s.kernel.DB.Row(everything, "SELECT substr(CAST(created_at AS text), 1, 10) FROM users WHERE email = 'eve@old.example'"); row.Scan(&today) != nil {
			t.Fatal("eve is missing")
		}
		want := "1 ada@old.example (Ada Lovelace) 2020-01-02 active\n" +
			"2 grace@old.example (grace) 2020-01-02 active\n" +
			"3 eve@old.example (eve) " + today + " active\n" +
			"4 zoe@old.example (Zoe) 2020-01-02 active\n" +
			"11 yan@old.example (Yan) 2021-01-02 active\n" +
			"12 spam@old.example (Spam) 2021-01-02 suspended\n" +
			"13 status@old.example (Status) 2021-01-02 suspended"
		if got := s.cameAlong(); got != want {
			t.Errorf("came:\n%s\nwant:\n%s", got, want)
		}
		for _, name := range []string{"ada", "grace", "eve", "yan"} {
			s.logIn(name+"@old.example", "another password").is(401, "invalid_credentials")
			s.logIn(name+"@old.example", chosen).is(200)
		}
		s.logIn("zoe@old.example", chosen).is(401)
		s.logIn("spam@old.example", chosen).is(403, "account_suspended")
		s.logIn("status@old.example", chosen).is(403, "account_suspended")
		c.fails(1, "people of wordpress come from files", "import", "people", "--from", "wordpress", "--source", s.formerDatabase("CREATE TABLE wp_users (ID integer)"))
		s.isSound()
	})
}
