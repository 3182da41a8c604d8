package main

import (
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/scrypt"
)

// importKeysSetting gives a command one of importKeys.
const importKeysSetting = `PASSWORD_IMPORT_KEYS={"firebase":"jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="}`

const clerkHeader = "id,first_name,last_name,username,primary_email_address,primary_phone_number,verified_email_addresses,unverified_email_addresses,verified_phone_numbers,unverified_phone_numbers,totp_secret,password_digest,password_hasher"

// TestPeopleMoveInFromClerk imports the Dashboard's CSV file with users, organizations and
// memberships of the Backend API.
func TestPeopleMoveInFromClerk(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		hash := bcrypted(t, password)
		exported := c.file("export.csv", clerkHeader,
			`user_1,Ada,Lovelace,,ada@old.example,,ada@old.example|ada@second.example,,,,,`+hash+`,bcrypt`,
			`user_2,,,gracehop,grace@old.example,,,grace@old.example,,,,`+hash+`,bcrypt`,
			`user_3,Eve,,,eve@old.example,,eve@old.example,,,,,`+hash+`,bcrypt`,
			`user_4,Dora,,,dora@old.example,,dora@old.example,,,,,`+hash+`,bcrypt`,
			`user_5,Phone,,,,+15550100,,,+15550100,,,,`)
		user := func(id, email, status, more string) string {
			return `{"id":"` + id + `","object":"user","primary_email_address_id":"idn_` + id + `","email_addresses":[{"id":"idn_0","object":"email_address","email_address":"second.` + email + `","verification":{"status":"verified"}},{"id":"idn_` + id + `","object":"email_address","email_address":"` + email + `","verification":{"status":"` + status + `","strategy":"email_code"}}],"created_at":1714558830123,` + more + `}`
		}
		users := c.file("users.json", "["+strings.Join([]string{
			user("user_1", "ada@old.example", "verified", `"first_name":"Ada","last_name":"Lovelace","username":null,"has_image":true,"image_url":"https://img.clerk.com/ada","locale":"de","banned":false`),
			user("user_2", "grace@old.example", "unverified", `"first_name":null,"last_name":null,"username":"gracehop","has_image":false,"image_url":"https://img.clerk.com/initials","banned":false`),
			user("user_3", "eve@old.example", "verified", `"first_name":"Eve","banned":true`),
			user("user_4", "dora@old.example", "verified", `"first_name":"Dora","deprovisioned":true`),
		}, ",")+`,{"id":"user_5","object":"user","primary_email_address_id":null,"primary_phone_number_id":"idn_5","email_addresses":[],"first_name":"Phone"}]`)
		organization := func(id, name, creator string) string {
			return `{"object":"organization","id":"` + id + `","name":"` + name + `","slug":"x","created_by":` + creator + `,"created_at":1600000000000}`
		}
		membership := func(organization, user, role string) string {
			return `{"object":"organization_membership","id":"orgmem_1","role":"` + role + `","created_at":1700000000000,"organization":{"object":"organization","id":"` + organization + `","name":"x"},"public_user_data":{"user_id":"` + user + `","identifier":"x"}}`
		}
		organizations := c.file("organizations.json",
			organization("org_1", "Engines", `"user_1"`), organization("org_2", "Foundry", `"user_9"`), organization("org_3", "Smithy", `"user_1"`), organization("org_4", "Mill", `null`))
		memberships := c.file("memberships.json",
			membership("org_1", "user_1", "org:admin"), membership("org_1", "user_2", "org:member"),
			membership("org_2", "user_2", "org:admin"), membership("org_2", "user_3", "org:admin"),
			membership("org_3", "user_1", "org:member"), membership("org_3", "user_2", "org:owner"))
		m, _ := c.imports("--from", "clerk", "--owner", "grace@old.example", "--trust-verified", memberships, exported, users, organizations)
		// Whoever created the Foundry has left it. The Smithy has an owner by a role of its own.
		if want := (moved{People: 5, Made: 4, Refused: 1, Organizations: 4, Memberships: 7}); m != want {
			t.Errorf("%+v", m)
		}
		if got := strings.Join(c.refusals(users), "\n"); got != "5 email required" {
			t.Errorf("refused: %s", got)
		}
		s.hasOrganizations(password, map[string]string{
			"ada@old.example":   "Engines owner, Smithy member",
			"grace@old.example": "Engines member, Foundry owner, Mill owner, Smithy owner",
		})
		s.logIn("eve@old.example", password).is(403, "account_suspended")
		s.logIn("dora@old.example", password).is(403, "account_inactive")
		ada, _ := s.entersAs("ada@old.example", password)
		me := ada.get("/auth/me").is(200)
		if me.str("name") != "Ada Lovelace" || me.str("avatar_url") != "https://img.clerk.com/ada" || me.str("created_at") != "2024-05-01T10:20:30.123Z" || me.str("locale") != "de" || me.value("email_verified") != true {
			t.Errorf("me: %s", me.body)
		}
		grace, _ := s.entersAs("grace@old.example", password)
		if me := grace.get("/auth/me").is(200); me.str("name") != "gracehop" || me.value("avatar_url") != nil || me.value("email_verified") != false {
			t.Errorf("me: %s", me.body)
		}
		if v := s.operator("Oz").get("/users/" + ada.id).is(200); v.str("external_id") != "user_1" {
			t.Errorf("as operator: %s", v.body)
		}
		s.isSound()
	})
}

// TestPeopleMoveInFromClerkWithEachHasher imports the CSV file alone: with each hasher that
// can be checked here, and with the others.
func TestPeopleMoveInFromClerkWithEachHasher(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer(importKeysSetting)
		key := func(h func() hash.Hash, salt []byte, length int) []byte {
			t.Helper()
			k, err := pbkdf2.Key(h, password, salt, 1000, length)
			if err != nil {
				t.Fatal(err)
			}
			return k
		}
		b64, inHex := base64.StdEncoding.EncodeToString, hex.EncodeToString
		salt := []byte("saltsalt\xffsalt!!!")
		plain5, plain2, salted := md5.Sum([]byte(password)), sha256.Sum256([]byte(password)), sha1.Sum([]byte(password+"pepper"))
		werkzeug, err := scrypt.Key([]byte(password), []byte("NaCl"), 4096, 8, 1, 64)
		if err != nil {
			t.Fatal(err)
		}
		all := []struct{ hasher, digest, chosen string }{
			{"bcrypt", bcrypted(t, password), password},
			{"md5", inHex(plain5[:]), password},
			{"sha256", inHex(plain2[:]), password},
			{"pbkdf2_sha1", "pbkdf2_sha1$1000$a salt, not hex$" + inHex(key(sha1.New, []byte("a salt, not hex"), 32)), password},
			{"pbkdf2_sha1", "pbkdf2_sha1$1000$" + inHex(salt) + "$" + inHex(key(sha1.New, salt, 20)) + "$20", password},
			{"pbkdf2_sha256", "pbkdf2_sha256$1000$" + b64(salt) + "$" + b64(key(sha256.New, salt, 32)), password},
			{"pbkdf2_sha256_django", "pbkdf2_sha256$1000$NaCl$" + b64(key(sha256.New, []byte("NaCl"), 32)), password},
			{"pbkdf2_sha512", "pbkdf2_sha512$1000$NaCl$" + inHex(key(sha512.New, []byte("NaCl"), 64)), password},
			{"pbkdf2_sha512_hex", "pbkdf2_sha512_hex$1000$" + inHex(salt) + "$" + inHex(key(sha512.New, salt, 64)), password},
			{"scrypt_werkzeug", "scrypt:4096:8:1$NaCl$" + inHex(werkzeug), password},
			{"scrypt_werkzeug", "$scrypt:4096:8:1$NaCl$" + b64(werkzeug), password},
			{"ldap_ssha", "{SSHA}" + b64(append(salted[:], "pepper"...)), password},
			{"argon2id", "$argon2id$v=19$m=7168,t=5,p=1$c2Vhc2FsdHNlYXNhbHQxNg$Q45IxG4PwBevmplUDc6BqCFdx2Ns+wKOfq8wjPsSmeg", password}, // by Debian's argon2
			// These are published: the reference implementation of argon2, phpass, and firebase/scrypt.
			{"argon2i", "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8", "password"},
			{"phpass", "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0", "test12345"},
			{"scrypt_firebase", "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==$42xEC+ixf3L2lw==$jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$Bw==$8$14", "user1password"},
		}
		for _, f := range foreignHashes(t) { // Django, which made it, is not written again here
			if strings.HasPrefix(f.Hash, "bcrypt_sha256$") && f.Password == "correct horse battery" {
				all = append(all, struct{ hasher, digest, chosen string }{"bcrypt_sha256_django", f.Hash, f.Password})
			}
		}
		lines := []string{clerkHeader}
		line := func(email, digest, hasher string) {
			lines = append(lines, fmt.Sprintf(`user_%d,,,,%s,,,,,,,"%s",%s`, len(lines), email, digest, hasher))
		}
		for i, one := range all {
			line(fmt.Sprintf("p%d@old.example", i), one.digest, one.hasher)
		}
		without := []string{"md5_salted", "sha256_salted", "md5_phpass", "sha512_symfony", "bcrypt_peppered", "awscognito", "rot13"}
		for _, hasher := range without {
			line(hasher+"@old.example", "NaCl$5f4dcc3b5aa765d61d8327deb882cf99", hasher)
		}
		line("none@old.example", "", "")
		for i, hasher := range []string{"md5", "pbkdf2_sha1", "pbkdf2_sha256", "scrypt_firebase", "scrypt_werkzeug"} {
			line(fmt.Sprintf("bad%d@old.example", i), "pbkdf2_sha1$1000$NaCl$SECRET,SECRET", hasher)
		}
		path := c.file("export.csv", lines...)
		m, errs := c.imports("--from", "clerk", path)
		if want := (moved{People: len(lines) - 1, Made: len(all) + len(without) + 1, WithoutPassword: len(without) + 1, Refused: 5, Listed: m.Listed}); m != want || strings.Contains(errs, "SECRET") {
			t.Errorf("%+v\n%s", m, errs)
		}
		if listed, err := os.ReadFile(m.Listed); err != nil || string(listed) != strings.Join(append(without, "none"), "@old.example\n")+"@old.example\n" {
			t.Errorf("without password: %s %v", listed, err)
		}
		for _, refused := range c.refusals(path) {
			if !strings.HasSuffix(refused, " password_hash unreadable_hash") {
				t.Errorf("refused: %s", refused)
			}
		}
		for i, one := range all {
			if _, organizations := s.entersAs(fmt.Sprintf("p%d@old.example", i), one.chosen); organizations != "" {
				t.Errorf("%s: %s", one.hasher, organizations)
			}
		}
		s.isSound()
	}, importKeys)
}
