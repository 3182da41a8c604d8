package password

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// keys are those with which testdata/make-hashes made its hashes.
var keys = Keys{
	"firebase": "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
	"devise":   strings.Repeat("5bd30a5a", 16),
}

type sample struct {
	By, Password, Hash string
	Source             Source
}

// made returns the hashes that other systems made: testdata/make-hashes.
func made(t testing.TB) (all []sample) {
	t.Helper()
	file, err := os.Open("testdata/hashes.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var s sample
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if len(all) < 100 {
		t.Fatalf("only %d hashes", len(all))
	}
	return all
}

// published are from the tests and documents of the systems themselves.
func published() []sample {
	firebase := Source{Form: "firebase", Key: "firebase", Salt: "42xEC+ixf3L2lw==", SaltSeparator: "Bw==", Rounds: 8, MemoryCost: 14}
	keycloak := func(value, salt string) string {
		return `{"type":"password","secretData":"{\"value\":\"` + value + `\",\"salt\":\"` + salt + `\",\"additionalParameters\":{}}","credentialData":"{\"hashIterations\":27500,\"algorithm\":\"pbkdf2-sha256\",\"additionalParameters\":{}}"}`
	}
	return []sample{
		// firebase/scrypt, README.
		{"Firebase", "user1password", "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==", firebase},
		// dotnet/aspnetcore, PasswordHasherTest.cs.
		{"ASP.NET Identity 2", "my password", "AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggHIVY0sdEUfdyeM+E1LtH1uJg==", Source{}},
		{"ASP.NET Identity 3, SHA-1", "my password", "AQAAAAAAAAD6AAAAEAhftMyfTJylOlZT+eEotFXd1elee8ih5WsjXaR3PA9M", Source{}},
		{"ASP.NET Identity 3, SHA-256", "my password", "AQAAAAEAA9CQAAAAIESkQuj2Du8Y+kbc5lcN/W/3NiAZFEm11P27nrSN5/tId+bR1SwV8CO1Jd72r4C08OLvplNlCDc3oQZ8efcW+jQ=", Source{}},
		{"ASP.NET Identity 3, SHA-512", "my password", "AQAAAAIAAAD6AAAAIJbVi5wbMR+htSfFp8fTw8N8GOS/Sje+S/4YZcgBfU7EQuqv4OkVYmc4VJl9AGZzmRTxSkP7LtVi9IWyUxX8IAAfZ8v+ZfhjCcudtC1YERSqE1OEdXLW9VukPuJWBBjLuw==", Source{}},
		{"ASP.NET Core's default", "my password", "AQAAAAIAAYagAAAAEAABAgMEBQYHCAkKCwwNDg/Q8A0WMKbtHQJQ2DHCdoEeeFBrgNlldq6vH4qX/CGqGQ==", Source{}},
		// From realm exports that others published, whose passwords are known.
		{"Keycloak", "password", keycloak("JsfNbCOIdZUbyBJ+BT+VoGI91Ec2rWLOvkLPDaX8e9k=", "P5rtFkGtPfoaryJ6PizUJw=="), Source{}},
		{"Keycloak, a key of 64 bytes", "password", keycloak("E1wOmdX7G+d0xjw9LLbgcu7rKhhCkfqVK1oBSuu6W3dc5yjJ/lKGMkKF9AW0iNnEm0X/wRYFvTyWXh3fjhkb3g==", "sZmxNOK9vr12uXWu7xGltQ=="), Source{}},
		// Django, tests/auth_tests/test_hashers.py: Django 4.0 and later.
		{"Django's scrypt", "lètmein", "scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw==", Source{}},
		// The specification of SHA-crypt.
		{"SHA-crypt", "Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", Source{}},
		{"SHA-crypt", "Hello world!", "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1", Source{}},
		{"SHA-crypt", "Hello world!", "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.", Source{}},
		// phpass, test.php; WordPress, and phpBB.
		{"phpass", "test12345", "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0", Source{}},
		{"phpass of phpBB", "test12345", "$H$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0", Source{}},
		// passlib's documentation of scrypt, and RFC 7914 §12 in that form.
		{"scrypt", "password", "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E", Source{}},
		// The reference implementation's test.c.
		{"argon2i", "password", "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8", Source{}},
	}
}

func TestHashesOfOtherSystems(t *testing.T) {
	h := New(Options{Concurrency: 2, Keys: keys})
	for _, s := range append(made(t), published()...) {
		stored, err := h.Import(s.Hash, s.Source)
		if err != nil {
			t.Errorf("%s: %v", s.By, err)
			continue
		}
		want(t, h, stored, s.Password, true, true)
		want(t, h, stored, s.Password+"x", false, false)
		if again, err := h.Import(stored, Source{}); again != stored || err != nil {
			t.Errorf("%s: %s is imported as %s, %v", s.By, stored, again, err)
		}
		if len(stored) > maxEncoded/2 {
			t.Errorf("%s takes %d bytes", s.By, len(stored))
		}
	}
}

// TestNoFastHashIsStored: what could be guessed fast is only the salt of an argon2id hash.
func TestNoFastHashIsStored(t *testing.T) {
	h := New(Options{Keys: keys})
	wrapped := 0
	for _, s := range append(made(t), published()...) {
		stored, err := h.Import(s.Hash, s.Source)
		if err != nil {
			t.Fatal(err)
		}
		isFast := strings.Contains(s.By, "few rounds") || strings.Contains(s.By, "phpBB") || s.By == "phpass" || strings.HasPrefix(s.Hash, "$5$saltstring") || s.Source.Form != "" && s.Source.Form != "firebase" ||
			strings.HasPrefix(s.By, "OpenLDAP") || strings.HasPrefix(s.By, "passlib ldap_s") && !strings.Contains(s.By, "crypt") ||
			strings.Contains(s.By, "MD5") || strings.Contains(s.By, "Django SHA1") ||
			strings.HasPrefix(s.By, "ASP.NET Identity") && s.By != "ASP.NET Identity 3, SHA-256"
		at := strings.Index(stored, "$argon2id$v=19$m=7168,t=5,p=1$")
		if isFast != (at > 0) {
			t.Errorf("%s is stored as %s", s.By, stored)
		}
		if at > 0 {
			wrapped++
			// Without the argon2id hash it says nothing, and with the plain key it is refused.
			if h.Readable(stored[:at]) == nil {
				t.Errorf("%s: %s is readable", s.By, stored[:at])
			}
			plain, err := translate(s.Hash, s.Source, keys)
			if err != nil || h.Readable(plain) == nil {
				t.Errorf("%s: %s is readable: %v", s.By, plain, err)
			}
		}
	}
	if wrapped < 40 {
		t.Errorf("only %d were wrapped", wrapped)
	}
}

func TestRefusedHashes(t *testing.T) {
	h := New(Options{Keys: keys})
	firebase := Source{Form: "firebase", Key: "firebase", Salt: "42xEC+ixf3L2lw==", SaltSeparator: "Bw==", Rounds: 8, MemoryCost: 14}
	with := func(change func(*Source)) Source {
		s := firebase
		change(&s)
		return s
	}
	const key = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
	const k32, k64 = "nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E", "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ"
	for _, c := range []struct {
		given, problem string
		from           Source
	}{
		{"a password in the clear", "of no known kind", Source{}},
		{"cGFzc3dvcmQ=", "a bare key needs its form", Source{}},
		{"88e4ddd2402d92d50e1879d6ecd9ffd4", "a bare key needs its form", Source{}},
		{"88e4ddd2402d92d50e1879d6ecd9ffd4", "neither hexadecimal nor base64 of 20 bytes", Source{Form: "sha1"}},
		{"88e4ddd2402d92d50e1879d6ecd9ffd4", "is none of firebase, md5", Source{Form: "md4"}},
		{strings.Repeat("x", 5000), "too long", Source{}},
		{"$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7", "of no known kind", Source{}},
		{"$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/", "of no known kind", Source{}},
		{"{X}abcdefgh", "a scheme of LDAP that is not known", Source{}},
		{"{SSHA}mN7MYuzjmaIu0w1JDvMzvn/ec4U=", "not the base64 of its scheme", Source{}}, // no salt
		{"{SHA}mN7MYuzjmaIu0w1JDvMzvn/ec4UA", "not the base64 of its scheme", Source{}},
		{"{CRYPT}{CRYPT}{CRYPT}x", "one scheme in another", Source{}},

		{"$2b$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "bcrypt cost out of bounds", Source{}},
		{"$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "not a bcrypt hash", Source{}},
		{"$wp$2y$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "bcrypt cost out of bounds", Source{}},
		{"$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", `no key "other"`, Source{Key: "other"}},
		{"$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$" + k32, "parameters out of bounds", Source{}},
		{"$argon2d$v=19$m=262144,t=6,p=1$c29tZXNhbHQ$" + k32, "parameters out of bounds", Source{}},
		{"$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$" + k32, "not version 19", Source{}},
		{"$pbkdf2-sha256$10000000$c29tZXNhbHQ$" + k32, "more than 2 seconds or 256 MiB", Source{}},
		{"$pbkdf2-sha256$4294967297$c29tZXNhbHQ$" + k32, "parameter i is missing or out of bounds", Source{}},
		{"pbkdf2_sha256$99999999999$salt$" + k32, "not as Django writes", Source{}},
		{"$scrypt$ln=19,r=8,p=1$c29tZXNhbHQ$" + k32, "more than 2 seconds or 256 MiB", Source{}}, // memory
		{"$scrypt$ln=17,r=8,p=8$c29tZXNhbHQ$" + k32, "more than 2 seconds or 256 MiB", Source{}}, // time
		{"$scrypt$ln=63,r=8,p=1$c29tZXNhbHQ$" + k32, "parameter ln is missing or out of bounds", Source{}},
		{"scrypt:1048576:8:1$salt$" + strings.Repeat("0f", 64), "more than 2 seconds or 256 MiB", Source{}},
		{"scrypt:32767:8:1$salt$" + strings.Repeat("0f", 64), "parameters of scrypt out of bounds", Source{}},
		{"$6$rounds=999999999$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1", "parameter rounds is missing or out of bounds", Source{}},
		{"$6$rounds=9999999$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1", "more than 2 seconds or 256 MiB", Source{}},
		{"$P$SIQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0", "more than 2 seconds or 256 MiB", Source{}},
		{"$P$zIQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0", "rounds out of bounds", Source{}},

		{key, `no key "other"`, with(func(s *Source) { s.Key = "other" })},
		{key, "bad name of a key", with(func(s *Source) { s.Key = "" })},
		{key, "is not a signer key in base64", with(func(s *Source) { s.Key = "devise" })},
		{key, "the salt separator is not base64", with(func(s *Source) { s.SaltSeparator = "!" })},
		{key, "the salt is not base64", with(func(s *Source) { s.Salt = "!" })},
		{key, "more than 2 seconds or 256 MiB", with(func(s *Source) { s.MemoryCost = 20 })},
		{key, "parameter ln is missing", with(func(s *Source) { s.MemoryCost = 0 })},
		{key[4:], "bad key", firebase},
		{"$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=AAAA$42xEC+ixf3L2lw==$" + key, "its signer key (sk) is not in PASSWORD_IMPORT_KEYS", Source{}},

		{`{"type":"otp","secretData":"{}","credentialData":"{}"}`, "not a password credential", Source{}},
		{`{"secretData":"{\"value\":\"` + key + `\",\"salt\":\"AAAA\"}","credentialData":"{\"hashIterations\":1,\"algorithm\":\"rot13\"}"}`, "an algorithm of Keycloak", Source{}},
		{`{"secretData":`, "not a password credential", Source{}},
		{"AQAAAAEAACcQ/////wABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==", "of no known kind", Source{}},
		{"AQAAAAF/////AAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==", "out of bounds", Source{}},

		// What only a crafted row has.
		{"$digest$h=md5,o=ps$c2FsdA$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$" + k32, "parameters out of bounds", Source{}},
		{"$pbkdf2-sha512$i=99000000,l=64$c2FsdA$argon2id$v=19$m=7168,t=5,p=1$c29tZXNhbHQ$" + k32, "more than 2 seconds or 256 MiB", Source{}},
		{"$pbkdf2-sha512$i=90000,l=64$c2FsdA$argon2id$v=19$m=7168,t=5,p=1$c29tZXNhbHQ$argon2id$v=19$m=7168,t=5,p=1$c29tZXNhbHQ$" + k32, "not parameters, salt and key", Source{}},
		{"$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0$argon2id$v=19$m=7168,t=5,p=1$c29tZXNhbHQ$" + k32, "two keys", Source{}},
		{"$digest$h=sha512,o=xx$c2FsdA$" + k64, "parameters out of bounds", Source{}},
	} {
		began := time.Now()
		stored, err := h.Import(c.given, c.from)
		if stored != "" || err == nil || !strings.Contains(err.Error(), c.problem) {
			t.Errorf("%.60s: %s, %v, not %q", c.given, stored, err, c.problem)
		} else if len(c.given) > 30 && strings.Contains(err.Error(), c.given[20:30]) {
			t.Errorf("%.60s: the error repeats the hash: %v", c.given, err)
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("%.60s: took %s to refuse", c.given, took)
		}
	}
	for _, none := range []string{"", "!", "!kF3mWb2mzZSXlVyFCaDrEuFMeNyHI3JrDHZQPEi5", "*", "*LK*"} {
		if stored, err := h.Import(none, Source{}); stored != "" || !errors.Is(err, ErrNoPassword) {
			t.Errorf("%q: %s, %v", none, stored, err)
		}
	}
}

// TestAHashNeedsItsKey: a stored hash has the name of its key, and not the key.
func TestAHashNeedsItsKey(t *testing.T) {
	h := New(Options{Keys: keys})
	for _, s := range made(t) {
		if s.Source.Key == "" {
			continue
		}
		stored, err := h.Import(s.Hash, s.Source)
		if err != nil || !strings.Contains(stored, "k="+s.Source.Key) || strings.Contains(stored, keys[s.Source.Key][:16]) {
			t.Errorf("%s: %s, %v", s.By, stored, err)
		}
		if ok, _, err := New(Options{}).Verify(t.Context(), stored, s.Password); ok || !errors.Is(err, errUnreadable) {
			t.Errorf("%s is checked without its key: %v, %v", s.By, ok, err)
		}
		other := Keys{"firebase": strings.Repeat("A", 86) + "==", "devise": "another pepper"}
		want(t, New(Options{Keys: other}), stored, s.Password, false, false)
	}
	for _, c := range []struct {
		keys    Keys
		problem string
	}{
		{nil, ""}, {Keys{"a-1_z": "x"}, ""}, {Keys{"": "x"}, "has the name"}, {Keys{"A": "x"}, "has the name"},
		{Keys{"a$b": "x"}, "has the name"}, {Keys{strings.Repeat("a", 33): "x"}, "has the name"}, {Keys{"a": ""}, "has no key"},
	} {
		if err := c.keys.Check(); (err == nil) != (c.problem == "") || err != nil && !strings.Contains(err.Error(), c.problem) {
			t.Errorf("%v: %v", c.keys, err)
		}
	}
}

// TestLongPasswordsOfCrypt: each round of SHA-crypt and phpass reads the password, so that a
// long one would take many times the time.
func TestLongPasswordsOfCrypt(t *testing.T) {
	h := New(Options{})
	for _, stored := range []string{
		"$6$rounds=20000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
		"$P$DIQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0",
	} {
		parsed, err := parse(stored, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, long := range []string{strings.Repeat("x", cryptInput+1), strings.Repeat("x", 1024)} {
			if read, whole := readByCrypt(long); len(read) != cryptInput || whole {
				t.Errorf("of %d bytes, %d are read: %v", len(long), len(read), whole)
			}
			if key := parsed.(imported).derive(long); key != nil {
				t.Errorf("a password of %d bytes has the key %s", len(long), key)
			}
			want(t, h, stored, long, false, false)
		}
	}
}

// FuzzStoredHash: whatever is in the column, reading it costs nothing, and checking it no
// more than the limits, in memory and in time.
func FuzzStoredHash(f *testing.F) {
	for _, s := range append(made(f), published()...) {
		f.Add(s.Hash)
		if stored, err := translate(s.Hash, s.Source, keys); err == nil {
			f.Add(stored)
			if i, err := parseImported(stored, keys); err == nil && i.over == nil {
				f.Add(i.wrap(Parameters{Memory: 8, Passes: 1, Lanes: 1}, make([]byte, saltLength)))
			}
		}
	}
	h := New(Options{Concurrency: 2, Keys: keys, Parameters: Parameters{Memory: 8, Passes: 1, Lanes: 1}})
	f.Fuzz(func(t *testing.T, given string) {
		stored, err := parse(given, keys)
		if err == nil {
			if n := stored.turns(); n < 1 || n > maxLanes {
				t.Errorf("%q costs %d turns", given, n)
			}
			if i, ok := stored.(imported); ok && (i.cost().tooHigh() || i.over == nil && i.cost().least < fast) {
				t.Errorf("%q costs %v", given, i.cost())
			}
			if i, ok := stored.(imported); !ok || i.cost().time > 3*time.Millisecond {
				return // checked by other tests: it takes too long here
			}
			if ok, _, err := h.Verify(t.Context(), given, "a password"); ok || err != nil {
				t.Errorf("%q: %v, %v", given, ok, err)
			}
		}
		for _, from := range []Source{{}, {Key: "devise"}, {Form: "sha1"}, {Form: "firebase", Key: "firebase", Salt: given, Rounds: 8, MemoryCost: 14}} {
			imported, err := h.Import(given, from)
			if err != nil {
				continue
			}
			if err := h.Readable(imported); err != nil {
				t.Errorf("%q is stored as %q: %v", given, imported, err)
			}
			if again, err := h.Import(imported, Source{}); again != imported || err != nil {
				t.Errorf("%q is stored as %q, and that as %q: %v", given, imported, again, err)
			}
		}
	})
}

// BenchmarkImported measures what a log-in takes with a hash of each kind, so that the costs
// in this package can be compared with it.
func BenchmarkImported(b *testing.B) {
	h := New(Options{Keys: keys})
	for _, s := range append(made(b)[:60], published()...) {
		stored, err := h.Import(s.Hash, s.Source)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(s.By, func(b *testing.B) {
			for b.Loop() {
				_, _, _ = h.Verify(b.Context(), stored, "another password")
			}
		})
	}
}
