package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretMasksItself(t *testing.T) {
	s := Secret("hunter2")
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10s", "%t"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", struct{ S Secret }{s})
		fmt.Fprintf(&out, verb+"\n", []Secret{s})
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "s", s, "in", struct{ S Secret }{s})
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "s", s, "in", struct{ S Secret }{s})
	if err := json.NewEncoder(&out).Encode(map[string]any{"S": s, "In": struct{ S *Secret }{&s}}); err != nil {
		t.Fatal(err)
	}
	containsNone(t, strings.ToLower(out.String()), "hunter2", fmt.Sprintf("%x", "hunter2"), "104 117")
	contains(t, out.String(), mask, `config.Secret("********")`)
	if s.Reveal() != "hunter2" || Secret("").String() != "" {
		t.Error("a secret is what it is, and none shows as none")
	}
}

func TestPrintMasks(t *testing.T) {
	cfg := mustLoad(t, Options{Environ: inProduction("CORS_ORIGINS=https://a.example")})
	var out bytes.Buffer
	if err := cfg.Print(&out); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&out, "%v %+v %#v", cfg, cfg, *cfg)
	if err := json.NewEncoder(&out).Encode(cfg); err != nil {
		t.Fatal(err)
	}
	contains(t, out.String(),
		"DATABASE_URL=postgres://app:********@db.internal/guildhall?sslmode=verify-full (environment)\n",
		"JWT_SECRET_KEY=******** (environment)\n", `CORS_ORIGINS=["https://a.example"] (environment)`+"\n",
		"JWT_REFRESH_TOKEN_EXPIRE_DAYS=7 (default)\n")
	containsNone(t, out.String(), "hunter2", goodSecret, otherSecret)
	if len(cfg.Masked()) != len(keys()) {
		t.Error("not all settings are printed")
	}
}

// TestSecretsAreOneOrSeveral: a value that is not a JSON array of strings is one
// secret, as in earlier versions.
func TestSecretsAreOneOrSeveral(t *testing.T) {
	const third = "Qw7eRt2yUi9oPa4sDf6gHj1kLz8xCv3bNm5QwErTy"
	for _, one := range []string{
		goodSecret + "," + otherSecret, "[" + goodSecret, "[" + goodSecret + "]", "[" + goodSecret + "," + otherSecret + "]", `["` + goodSecret + `",`, `["` + goodSecret + `"`, ` ['` + goodSecret + `']`, `{"a":"` + goodSecret + `"}`, `[["` + goodSecret + `"]]`,
	} {
		cfg := mustLoad(t, Options{Environ: append(inProduction(), "JWT_SECRET_KEY="+one)})
		if cfg.JWTSecretKey.Reveal() != one || len(cfg.RetiredSecretKeys) != 0 {
			t.Errorf("%s is several", one)
		}
		const slip = "JWT_SECRET_KEY: begins with [ and is not a JSON array of strings, so it is one secret"
		meant := strings.HasPrefix(strings.TrimSpace(one), "[") && strings.ContainsAny(one, `,"'`)
		if warned := strings.Contains(fmt.Sprint(cfg.Warnings), slip); warned != meant {
			t.Errorf("%s: warned is %t", one, warned)
		}
		if warned := strings.Contains(fmt.Sprint(cfg.Check()), "warn "+slip); warned != meant {
			t.Errorf("%s: check warns is %t", one, warned)
		}
	}
	twice := mustLoad(t, Options{Environ: append(inProduction(), `JWT_SECRET_KEY=["`+goodSecret+`","`+third+`","`+goodSecret+`"]`)})
	contains(t, fmt.Sprint(twice.Warnings), "JWT_SECRET_KEY: contains a secret more than once")
	contains(t, fmt.Sprint(twice.Check()), "warn JWT_SECRET_KEY: contains a secret more than once")

	several := `[ "` + goodSecret + `",` + "\n" + `"` + third + `" ]`
	dir := files(t, map[string]string{"keys": several + "\n"})
	cfg := mustLoad(t, Options{Dir: dir, Environ: []string{
		"ENVIRONMENT=production", "DATABASE_URL=sqlite:///x.db", "JWT_SECRET_KEY_FILE=keys", `JWT_REFRESH_SECRET_KEY=["` + otherSecret + `"]`,
	}})
	if cfg.JWTSecretKey.Reveal() != goodSecret || len(cfg.RetiredSecretKeys) != 1 || cfg.RetiredSecretKeys[0].Reveal() != third ||
		cfg.JWTRefreshSecretKey.Reveal() != otherSecret || len(cfg.RetiredRefreshKeys) != 0 || len(cfg.Warnings) != 0 {
		t.Errorf("read as %q, %q, %v", cfg.JWTSecretKey.Reveal(), cfg.JWTRefreshSecretKey.Reveal(), cfg.Warnings)
	}
	var printed bytes.Buffer
	if err := cfg.Print(&printed); err != nil {
		t.Fatal(err)
	}
	contains(t, printed.String(), `JWT_SECRET_KEY=["********","********"] (environment, JWT_SECRET_KEY_FILE)`, "JWT_REFRESH_SECRET_KEY=******** (environment)")
	containsNone(t, printed.String(), goodSecret, third)
	contains(t, fmt.Sprint(cfg.Check()), "JWT_SECRET_KEY: is set: 2 keys, of which the first signs", "JWT_REFRESH_SECRET_KEY: is set: one key")

	for given, want := range map[string]string{
		"[]":                             "JWT_SECRET_KEY: is a list without a secret",
		`["` + goodSecret + `",""]`:      "JWT_SECRET_KEY: has no secret as number 2 of its list",
		`["` + goodSecret + `","short"]`: "JWT_SECRET_KEY: number 2 is shorter than 32 bytes",
		`["` + third + `","` + otherSecret + `"]`: "JWT_REFRESH_SECRET_KEY: is the same as JWT_SECRET_KEY",
	} {
		got := problemsOf(t, Options{Environ: append(inProduction(), "JWT_SECRET_KEY="+given)})
		contains(t, got, want)
		containsNone(t, got, goodSecret[:10], third[:10])
	}
}
