package main

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"guildhall/platform/config"
	"guildhall/platform/database"
	hashing "guildhall/platform/password"
)

// importKeys are those with which platform/password/testdata/make-hashes made its hashes.
func importKeys(c *config.Config) {
	c.PasswordImportKeys = map[string]config.Secret{
		"firebase": "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
		"devise":   config.Secret(strings.Repeat("5bd30a5a", 16)),
	}
}

// foreignHash is a hash that another system made.
type foreignHash struct {
	By, Password, Hash string
	Source             hashing.Source
}

func foreignHashes(t *testing.T) (all []foreignHash) {
	t.Helper()
	file, err := os.Open("../../platform/password/testdata/hashes.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var f foreignHash
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return all
}

// TestPeopleFromOtherSystemsLogIn: with the password that they had there, and from then on
// their hash is an ordinary one. Nobody learns from an answer whose hash was imported.
func TestPeopleFromOtherSystemsLogIn(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		hash := func() (h string) {
			t.Helper()
			if err := s.kernel.DB.Row(everything, "SELECT password_hash FROM user_login_password WHERE user_id = ?", ada.id).Scan(&h); err != nil {
				t.Fatal(err)
			}
			return h
		}
		unknown := s.logIn("nobody@example.com", "another password").is(401, "invalid_credentials")
		all := foreignHashes(t) // every kind with one password, and then with another
		half := all[:len(all)/2]
		if s.kernel.DB.Driver() == database.Postgres {
			half = all[len(all)/2:]
		}
		for _, f := range half {
			stored, err := s.kernel.Hasher.Import(f.Hash, f.Source)
			if err != nil {
				t.Fatalf("%s: %v", f.By, err)
			}
			s.exec("UPDATE user_login_password SET password_hash = ? WHERE user_id = ?", stored, ada.id)
			wrong := s.logIn(ada.email, "another password").is(401, "invalid_credentials")
			if wrong.seen(ada.id, ada.organization) != unknown.seen() {
				t.Errorf("%s: %s, of an unknown address %s", f.By, wrong.seen(ada.id, ada.organization), unknown.seen())
			}
			if hash() != stored {
				t.Errorf("%s: a wrong password changed the hash", f.By)
			}
			s.logIn(ada.email, f.Password).is(200)
			renewed := hash()
			if !strings.HasPrefix(renewed, "$argon2id$v=19$m=7168,t=5,p=1$") {
				t.Errorf("%s: became %s", f.By, renewed)
			}
		}
		if len(half) < 60 {
			t.Errorf("only %d kinds", len(half))
		}
		if log := s.log.String(); strings.Contains(log, "$argon2") || strings.Contains(log, "$digest") || strings.Contains(log, "5bd30a5a") {
			t.Error("a hash or a key is in the log")
		}
	}, importKeys, costly)
}
