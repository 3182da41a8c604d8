package config

import (
	"strings"
	"testing"
)

func failures(cfg *Config) map[string]string {
	failed := map[string]string{}
	for _, f := range cfg.Check() {
		if !f.OK {
			failed[f.Name] = f.Message
		}
	}
	return failed
}

func TestCheckPassesProduction(t *testing.T) {
	cfg := mustLoad(t, Options{Environ: inProduction("CORS_ORIGINS=https://a.example", "ENABLE_REGISTRATION=true", "LOG_FORMAT=text")})
	if failed := failures(cfg); len(failed) != 0 {
		t.Errorf("fails: %v", failed)
	}
}

func TestCheckOfDevelopment(t *testing.T) {
	cfg := inDevelopment(t, t.TempDir(), "CORS_ORIGINS=http://localhost:3000,http://a.example,*", "RATE_LIMIT_ENABLED=false", "TRUSTED_PROXIES=0.0.0.0/0")
	if err := cfg.EnsureDevSecrets(); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"ENVIRONMENT":            "is development: set it to production",
		"DEBUG":                  "is on: turn it off",
		"JWT_SECRET_KEY":         "is not set",
		"JWT_REFRESH_SECRET_KEY": "is not set",
		"DATABASE_URL":           "is not set",
		"CORS_ORIGINS":           `"http://a.example" is not https, "*" is a wildcard; list the origins`,
		"RATE_LIMIT_ENABLED":     "is off: the number of password guesses is not limited",
		"MAIL_TRANSPORT":         "is mailbox: mails are shown at /dev/mailbox and not sent",
		"TRUSTED_PROXIES":        "0.0.0.0/0 lets anyone choose the address they are counted under",
	}
	failed := failures(cfg)
	for name, message := range want {
		if failed[name] != message {
			t.Errorf("%s: got %q, want %q", name, failed[name], message)
		}
	}
	if len(failed) != len(want) {
		t.Errorf("got %v", failed)
	}
}

func TestCheckOfTheDatabase(t *testing.T) {
	for given, ok := range map[string]bool{
		"sqlite:///var/lib/guildhall.db":                                           true,
		"postgres://u:p@db/d?sslmode=require":                                      true,
		"postgres://u:p@db/d?sslmode=verify-ca":                                    true,
		"postgres://u:p@localhost/d":                                               true,
		"postgres://u:p@127.0.0.1:5432/d":                                          true,
		"postgres://u:p@[::1]/d?sslmode=disable":                                   true,
		"postgres:///d?host=/var/run/postgresql":                                   true,
		"postgres://u:p@a:1,b:2/d?sslmode=require&target_session_attrs=read-write": true,
		"postgres://u:p@a:1,b:2/d?sslmode=require":                                 false,
		"postgres:///d?host=/a,/b":                                                 false,
		"postgres://u:p@db/d":                                                      false,
		"postgres://u:p@db/d?sslmode=prefer":                                       false,
		"postgres://u:p@localhost:1,db:2/d":                                        false,
		"postgres://localhost/d?host=db":                                           false,
		"postgres:///d?host=::ffff:10.0.0.1":                                       false,
		"postgresql+asyncpg://u:p@prod-db/d":                                       false,
		"postgres://u:p@localhost.evil.example/d":                                  false,
		"postgres://u:p@[2001:db8::1]:5432/d?sslmode=allow":                        false,
	} {
		_, failed := failures(mustLoad(t, Options{Environ: inProduction("DATABASE_URL=" + given)}))["DATABASE_URL"]
		if failed == ok {
			t.Errorf("%s: ok is %v", given, !failed)
		}
	}
}

func TestCheckOfTheProxies(t *testing.T) {
	for given, mark := range map[string]string{
		"HOST=127.0.0.1": "warn", "HOST=::1": "warn", "HOST=localhost": "warn", "HOST=10.1.2.3": "warn", "HOST=192.168.1.1": "warn", "HOST=fd00::1": "warn",
		"HOST=0.0.0.0": "ok  ", "HOST=::": "ok  ", "HOST=192.0.2.1": "ok  ", "HOST=app.example": "ok  ",
		"TRUSTED_PROXIES=127.0.0.1": "ok  ", "TRUSTED_PROXIES=0.0.0.0/0": "FAIL",
	} {
		environ := inProduction(given)
		if strings.HasPrefix(given, "TRUSTED") {
			environ = append(environ, "HOST=127.0.0.1")
		}
		found := ""
		for _, f := range mustLoad(t, Options{Environ: environ}).Check() {
			if f.Name == "TRUSTED_PROXIES" {
				found = f.String()
			}
		}
		if !strings.HasPrefix(found, mark+" TRUSTED_PROXIES: ") {
			t.Errorf("%s: %s", given, found)
		}
		if mark == "warn" {
			contains(t, found, "share its address and its rate limits")
		}
	}
}

func TestCheckOfThePrivateAddress(t *testing.T) {
	for given, ok := range map[string]bool{
		"none": true, "127.0.0.1:9090": true, "[::1]:9090": true, "10.1.2.3:9090": true, "[fd00::1]:9090": true, "metrics.internal:9090": true,
		":9090": true, "0.0.0.0:9090": true, "[::]:9090": true, // as in a container
		"192.0.2.1:9090": false, "[2001:db8::1]:9090": false,
	} {
		cfg := mustLoad(t, Options{Environ: inProduction("PRIVATE_ADDRESS=" + given)})
		if _, fails := failures(cfg)["PRIVATE_ADDRESS"]; fails == ok {
			t.Errorf("%s: fails is %v", given, fails)
		}
	}
	for _, given := range []string{"9090", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "http://127.0.0.1:9090", "a b:1"} {
		contains(t, problemsOf(t, Options{Environ: inProduction("PRIVATE_ADDRESS=" + given)}), "PRIVATE_ADDRESS: ", given)
	}
}
