package database

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"guildhall/platform/databaseurl"
)

// No message may contain any of these words.
const words = "Zq7w@Xk9v#Jf4u/Vb2n?Gy8m:Tz3h%41Hc6 Lp5r\\Wd0e&Ns1i=Oa2ü"

// TestErrorsContainNoPartOfAPassword, however the password is separated from the URL,
// and whether it is encoded or not.
func TestErrorsContainNoPartOfAPassword(t *testing.T) {
	t.Parallel()
	encoders := map[string]func(string) string{
		"raw": func(s string) string { return s }, "path": url.PathEscape, "query": url.QueryEscape,
		"userinfo": func(s string) string { return strings.TrimPrefix(url.UserPassword("", s).String(), ":") },
	}
	shapes := []string{
		"postgres://u:PW@127.0.0.1:1/d", "postgres://u:PW@127.0.0.1:1/d?sslmode=bad", "postgres://u:PW@127.0.0.1:1/d?connect_timeout=x",
		"postgres://PW@127.0.0.1:1@127.0.0.1:1/d", "postgres://127.0.0.1:1/d?user=u&password=PW", "postgres://u:x@127.0.0.1:1/d?sslmode=verify-ca&sslpassword=PW&sslkey=/no&sslcert=/no",
		"postgresql+asyncpg://u:PW@127.0.0.1:1,127.0.0.1:2/d", "host=h user=u password=PW", "u:PW@h/d", "u:PW://h/d", "PW",
		"postgres://127.0.0.1:1/d?password=PW&connect_timeout=x", "postgres://127.0.0.1:1/d?sslpassword=PW&sslmode=bad",
		"postgres://u:PW@127.0.0.1:1/d?min_protocol_version=9", "postgres://u:PW@127.0.0.1:1/d?service=none", "postgres://u:12PW@127.0.0.1:1/d", "postgres://u:@PW@127.0.0.1:1/d",
	}
	passwords := strings.FieldsFunc(words, func(r rune) bool { return strings.ContainsRune("Z", r) })
	passwords = append(passwords, words)
	for _, special := range []string{"@", "#", "/", "?", ":", "%", "%2", " ", "\\", "&", "=", "+", "ü", "'", `"`, "`", "`: "} {
		passwords = append(passwords, "Zq7wXk9v"+special+"Jf4uVb2n", special+"Zq7wXk9v", "Zq7wXk9v"+special, "Zq7wXk9v"+special+special+"Jf4u"+special+"Vb2n")
	}
	for _, password := range passwords {
		for _, encode := range encoders {
			for _, shape := range shapes {
				raw := strings.ReplaceAll(shape, "PW", encode(password))
				if strings.Contains(shape, "PW@127.0.0.1:1@") && !strings.Contains(encode(password), "@") {
					continue // it is the user name
				}
				u, err := databaseurl.Parse(raw)
				refusals := []error{err}
				if err == nil {
					_, primary := Open(context.Background(), Options{URL: u})
					_, replica := Open(context.Background(), Options{URL: databaseurl.Must("postgres://127.0.0.1:1/d"), ReplicaURLs: []databaseurl.URL{u}})
					refusals = []error{primary, replica}
				}
				for _, err := range refusals {
					if err == nil {
						t.Fatalf("%s is opened", raw)
					}
					for e := err; e != nil; e = errors.Unwrap(e) {
						if _, driver := e.(redacted); driver { //nolint:errorlint // each link of the chain
							break
						}
						if part := partIn(e.Error(), password); part != "" {
							t.Errorf("%s: %q holds %q", raw, e, part)
						}
					}
				}
			}
		}
	}
}

// partIn returns a part of a password that a text contains: letters and digits of it.
func partIn(text, password string) string {
	const fragment = 4
	for i := 0; i+fragment <= len(password); i++ {
		if part := password[i : i+fragment]; strings.Contains(text, part) {
			return part
		}
	}
	return ""
}

// TestURLParsersAgree: if the strict parser accepts a URL, the driver gets the same
// password, host and database from it.
func TestURLParsersAgree(t *testing.T) {
	t.Parallel()
	const seed = 12
	random := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // repeatable
	alphabet := []rune("ab1@:/?#%&=+ ,;!$'()*[]\\\"<>^`{|}~ü2F40")
	taken := 0
	for range 20_000 {
		text := make([]rune, 1+random.IntN(6))
		for i := range text {
			text[i] = alphabet[random.IntN(len(alphabet))]
		}
		raw := "postgres://u:" + string(text) + "@h:5/d"
		u, err := databaseurl.Parse(raw)
		if err != nil {
			continue
		}
		taken++
		d := &DB{}
		s, pool, err := d.openPool(u)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		_ = pool.Close()
		read, err := url.Parse(u.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		if password, _ := read.User.Password(); s.config.Password != password || s.config.Host != "h" || s.config.Port != 5 || s.config.Database != "d" || s.config.User != "u" {
			t.Errorf("%s: %q, and to the driver %q at %s:%d/%s", raw, password, s.config.Password, s.config.Host, s.config.Port, s.config.Database)
		}
	}
	if taken < 1000 {
		t.Errorf("only %d are taken: the test sees little", taken)
	}
}
