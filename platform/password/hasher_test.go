package password

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

func TestHashIsAPHCStringThatVerifies(t *testing.T) {
	h := New(Options{})
	const chosen = "grüße, a pass phrase 🗝"
	one, two := hashOf(t, h, chosen), hashOf(t, h, chosen)

	if !strings.HasPrefix(one, "$argon2id$v=19$m=7168,t=5,p=1$") || len(one) != len("$argon2id$v=19$m=7168,t=5,p=1$")+22+1+43 {
		t.Errorf("not the PHC string of the default: %s", one)
	}
	if one == two {
		t.Error("two hashes of one password share a salt")
	}
	want(t, h, one, chosen, true, false)
	want(t, h, one, chosen+" ", false, false)
	want(t, h, one, "", false, false)
}

func TestEveryByteCounts(t *testing.T) {
	h := New(Options{})
	same := strings.Repeat("a", 72)
	stored := hashOf(t, h, same+"b")
	want(t, h, stored, same+"b", true, false)
	want(t, h, stored, same+"c", false, false)
	want(t, h, stored, same, false, false)

	long := strings.Repeat("é", 511) + "xy"
	stored = hashOf(t, h, long)
	want(t, h, stored, long, true, false)
	want(t, h, stored, long[:1023], false, false)
}

// The first two are from the reference implementation's test.c.
func TestOtherParametersVerifyAndAskForRenewal(t *testing.T) {
	h := New(Options{Concurrency: 2})
	for _, stored := range []string{
		"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
		argon2idHash{Default, make([]byte, 8), Default.derive("password", make([]byte, 8), 32)}.encode(),
		argon2idHash{Default, make([]byte, 16), Default.derive("password", make([]byte, 16), 16)}.encode(),
	} {
		want(t, h, stored, "password", true, true)
		want(t, h, stored, "passwore", false, false)
	}
}

func TestParametersOfNewHashes(t *testing.T) {
	former := Parameters{Memory: 19456, Passes: 2, Lanes: 1}
	h := New(Options{Parameters: former})
	stored := hashOf(t, h, "password")
	if !strings.HasPrefix(stored, "$argon2id$v=19$m=19456,t=2,p=1$") || !strings.HasPrefix(h.absent, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("Hash returns %s, and VerifyAbsent compares with %s", stored, h.absent)
	}
	want(t, h, stored, "password", true, false)
	want(t, New(Options{}), stored, "password", true, true)

	for text, problem := range map[string]string{
		"m=7168,t=5,p=1": "", "m=9216,t=4,p=1": "", "m=12288,t=3,p=1": "", "m=19456,t=2,p=1": "", "m=47104,t=1,p=1": "", "m=65536,t=3,p=4": "",
		"m=7168,t=4,p=1":   "is weaker than m=7168,t=5,p=1, the least that OWASP lists",
		"m=4096,t=10,p=1":  "is weaker than m=7168,t=5,p=1, the least that OWASP lists",
		"t=5,m=7168,p=1":   "is not of the form m=7168,t=5,p=1, of at most m=262144, t=64, p=16 and m×t=1310720",
		"m=262145,t=1,p=1": "is not of the form m=7168,t=5,p=1, of at most m=262144, t=64, p=16 and m×t=1310720",
	} {
		p, err := ParseParameters(text)
		if problem == "" && (err != nil || p.String() != text) || problem != "" && (err == nil || err.Error() != problem) {
			t.Errorf("%s: %s, %v", text, p, err)
		}
	}
}

func TestBcryptVerifiesAndAsksForRenewal(t *testing.T) {
	h := New(Options{})
	// From crypt_blowfish's wrapper.c; the last ignores what follows 72 bytes.
	for stored, password := range map[string]string{
		"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW": "U*U",
		"$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK": "U*U*",
		"$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a": "U*U*U",
		"$2b$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq": "\xa3",
		"$2y$05$/OK.fbVrR/bpIqNJ5ianF.swQOIzjOiJ9GHEPuhEkvqrUyvWhEMx6": strings.Repeat("\xaa", 72) + "chars after 72 are ignored as usual",
	} {
		want(t, h, stored, password, true, true)
		want(t, h, stored, "V"+password, false, false)
	}
}

func TestLongPasswordCutByTheFormerServiceLogsIn(t *testing.T) {
	h := New(Options{})
	chosen := strings.Repeat("long ", 40)
	for _, version := range []string{"2a", "2b", "2y"} {
		made, err := bcrypt.GenerateFromPassword([]byte(chosen[:72]), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		stored := "$" + version + string(made[3:])
		want(t, h, stored, chosen, true, true)
		want(t, h, stored, chosen[:71], false, false)
	}
}

func TestBcryptDoesNotEndAtANUL(t *testing.T) {
	h := New(Options{})
	made, err := bcrypt.GenerateFromPassword([]byte("a"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if bcrypt.CompareHashAndPassword(made, []byte("a\x00a")) != nil {
		t.Fatal("bcrypt no longer repeats its key: the guard can go")
	}
	want(t, h, string(made), "a\x00a", false, false)
}

func TestUnreadableHashIsAnError(t *testing.T) {
	const good = "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"
	const goodBcrypt = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
	swap := func(s, old, new string) string { return strings.Replace(s, old, new, 1) }

	bad := map[string]string{
		"empty":             "",
		"plain text":        "password",
		"no scheme":         "$",
		"argon2":            swap(good, "argon2id", "argon2"),
		"upper case":        swap(good, "argon2id", "Argon2id"),
		"no version":        swap(good, "v=19$", ""),
		"version 16":        swap(good, "v=19", "v=16"),
		"no parameters":     swap(good, "m=256,t=2,p=2$", ""),
		"another order":     swap(good, "m=256,t=2", "t=2,m=256"),
		"a parameter twice": swap(good, "t=2", "t=2,t=2"),
		"one missing":       swap(good, ",p=2", ""),
		"unknown parameter": swap(good, "p=2", "p=2,keyid=x"),
		"sign":              swap(good, "m=256", "m=+256"),
		"leading zero":      swap(good, "t=2", "t=02"),
		"negative":          swap(good, "t=2", "t=-2"),
		"fraction":          swap(good, "t=2", "t=2.0"),
		"blank":             swap(good, "t=2", "t= 2"),
		"no number":         swap(good, "t=2", "t="),
		"no pass":           swap(good, "t=2", "t=0"),
		"no lane":           swap(good, "p=2", "p=0"),
		"too little memory": swap(good, "m=256", "m=15"),
		"too many passes":   swap(good, "t=2", "t=65"),
		"too many lanes":    swap(good, "p=2", "p=17"),
		"lanes wrap":        swap(good, "p=2", "p=257"),
		"too much memory":   swap(good, "m=256", "m=262145"),
		"all of memory":     swap(good, "m=256", "m=4294967295"),
		"beyond 32 bits":    swap(good, "m=256", "m=4294967552"),
		"too much work":     swap(good, "m=256,t=2", "m=262144,t=6"),
		"padded":            good + "=",
		"URL alphabet":      swap(good, "/0tt", "_0tt"),
		"stray bits":        swap(good, "cDc", "cDd"),
		"line break":        swap(good, "bQk8", "bQ\nk8"),
		"ends in a break":   good + "\n",
		"another part":      good + "$",
		"no key":            good[:strings.LastIndex(good, "$")],
		"empty key":         good[:strings.LastIndex(good, "$")+1],
		"short key":         good[:strings.LastIndex(good, "$")+5],
		"short salt":        swap(good, "c29tZXNhbHQ", "c29t"),
		"endless":           good + strings.Repeat("A", 1<<20),
		"NUL":               good[:40] + "\x00" + good[41:],

		"bcrypt, cut":        goodBcrypt[:59],
		"bcrypt, more":       goodBcrypt + "W",
		"bcrypt 2":           "$2$" + goodBcrypt[4:] + "W",
		"bcrypt 2x":          swap(goodBcrypt, "2a", "2x"),
		"bcrypt, cost 31":    swap(goodBcrypt, "$05$", "$31$"),
		"bcrypt, cost 15":    swap(goodBcrypt, "$05$", "$15$"),
		"bcrypt, cost 3":     swap(goodBcrypt, "$05$", "$03$"),
		"bcrypt, cost +5":    swap(goodBcrypt, "$05$", "$+5$"),
		"bcrypt, no cost":    swap(goodBcrypt, "$05$", "$xx$"),
		"bcrypt, other sign": swap(goodBcrypt, "E5YP", "E5Y!"),
		"bcrypt, blank":      " " + goodBcrypt[1:],
	}
	h := New(Options{})
	for name, stored := range bad {
		for _, password := range []string{"password", "U*U", "", stored} {
			start := time.Now()
			ok, renew, err := h.Verify(t.Context(), stored, password)
			if ok || renew || !errors.Is(err, errUnreadable) {
				t.Errorf("%s: %v, %v, %v", name, ok, renew, err)
			}
			if err != nil && len(stored) > 8 && strings.Contains(err.Error(), stored[8:]) {
				t.Errorf("%s: the error repeats the hash: %v", name, err)
			}
			if d := time.Since(start); d > time.Second {
				t.Errorf("%s: took %v to refuse", name, d)
			}
		}
	}
	for _, stored := range []string{good, goodBcrypt} {
		if _, err := parse(stored, nil); err != nil {
			t.Errorf("the pattern of these is refused itself: %v", err)
		}
		for end := range stored {
			if _, err := parse(stored[:end], nil); end < len(stored)-27 && err == nil {
				t.Errorf("cut to %q, it is read", stored[:end])
			}
		}
	}
}

func TestUnknownAccountCostsWhatAKnownOneDoes(t *testing.T) {
	h := New(Options{})
	dummy, err := parse(h.absent, nil)
	if err != nil {
		t.Fatal(err)
	}
	if dummy.outdated(Default) || dummy.turns() != 1 {
		t.Errorf("the dummy is not what Hash writes: %s", h.absent)
	}
	if len(h.absent) != len(hashOf(t, h, "whatever")) {
		t.Errorf("the dummy has another length: %s", h.absent)
	}
	if err := h.VerifyAbsent(t.Context(), "whatever"); err != nil {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.VerifyAbsent(ended, "whatever"); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc")
	f.Add("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW")
	f.Fuzz(func(t *testing.T, encoded string) {
		stored, err := parse(encoded, nil)
		if err != nil {
			return
		}
		if n := stored.turns(); n < 1 || n > maxLanes {
			t.Errorf("%q costs %d turns", encoded, n)
		}
		if a, ok := stored.(argon2idHash); ok && a.encode() != encoded {
			t.Errorf("%q is read as %q", encoded, a.encode())
		}
	})
}

func BenchmarkHash(b *testing.B) {
	h := New(Options{})
	for b.Loop() {
		if _, err := h.Hash(b.Context(), "a password of some length"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEquallyStrong compares the settings that OWASP lists as equally strong, on all
// cores at once, as in a burst of log-ins.
func BenchmarkEquallyStrong(b *testing.B) {
	for _, p := range []Parameters{{47104, 1, 1}, {19456, 2, 1}, {12288, 3, 1}, {9216, 4, 1}, {7168, 5, 1}} {
		b.Run(p.String(), func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					p.hash("a password of some length", make([]byte, saltLength))
				}
			})
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	h := New(Options{})
	stored, err := h.Hash(b.Context(), "a password of some length")
	if err != nil {
		b.Fatal(err)
	}
	b.Run("known", func(b *testing.B) {
		for b.Loop() {
			_, _, _ = h.Verify(b.Context(), stored, "another password")
		}
	})
	b.Run("absent", func(b *testing.B) {
		for b.Loop() {
			_ = h.VerifyAbsent(b.Context(), "another password")
		}
	})
}

func hashOf(t testing.TB, h *Hasher, password string) string {
	t.Helper()
	encoded, err := h.Hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func want(t testing.TB, h *Hasher, stored, password string, ok, renew bool) {
	t.Helper()
	gotOK, gotRenew, err := h.Verify(t.Context(), stored, password)
	if err != nil {
		t.Errorf("verify %q against %s: %v", password, stored, err)
	}
	if gotOK != ok || gotRenew != renew {
		t.Errorf("verify %q against %s: ok %v, renew %v", password, stored, gotOK, gotRenew)
	}
}
