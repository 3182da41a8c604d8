package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Providers may be given by the environment, by a file of secrets, and as a list in the YAML file.
func TestProviders(t *testing.T) {
	const text = `[{"id":"google","client_id":"g","client_secret":"very-secret"},` +
		`{"id":"corp","name":"Corp SSO","issuer":"https://sso.corp.example/","client_id":"c","client_secret":"very-secret"},` +
		`{"id":"github","client_id":"h","client_secret":"very-secret"}]`
	secret := filepath.Join(t.TempDir(), "providers.json")
	if err := os.WriteFile(secret, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	yaml := "PROVIDERS:\n  - id: google\n    client_id: g\n    client_secret: very-secret\n" +
		"  - {id: corp, name: Corp SSO, issuer: 'https://sso.corp.example/', client_id: c, client_secret: very-secret}\n" +
		"  - {id: github, client_id: h, client_secret: very-secret}\n"
	for name, o := range map[string]Options{
		"environment": {Environ: []string{"PROVIDERS=" + text}},
		"file":        {Environ: []string{"PROVIDERS_FILE=" + secret}},
		"YAML":        {Dir: files(t, map[string]string{defaultYAML: yaml})},
		"YAML's text": {Dir: files(t, map[string]string{defaultYAML: "PROVIDERS: '" + text + "'\n"})},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := mustLoad(t, o)
			want := []Provider{
				{ID: Google, Kind: Google, Name: "Google", Issuer: "https://accounts.google.com", ClientID: "g", ClientSecret: "very-secret"},
				{ID: "corp", Kind: OIDC, Name: "Corp SSO", Issuer: "https://sso.corp.example/", ClientID: "c", ClientSecret: "very-secret"},
				{ID: GitHub, Kind: GitHub, Name: "GitHub", Issuer: "https://github.com", ClientID: "h", ClientSecret: "very-secret"},
			}
			if len(cfg.Providers) != len(want) {
				t.Fatalf("%d providers", len(cfg.Providers))
			}
			for i := range want {
				if cfg.Providers[i] != want[i] {
					t.Errorf("%+v", cfg.Providers[i])
				}
			}
			for _, s := range cfg.Masked() {
				if strings.Contains(s.Value, "very-secret") {
					t.Errorf("%s shows a secret: %s", s.Name, s.Value)
				}
			}
		})
	}
}

func TestWrongProviders(t *testing.T) {
	for text, want := range map[string]string{
		`{"id":"google"}`: "is not a JSON array",
		`[{"id":"google","client_id":"g","client_secret":"very-secret","secret":"x"}]`:                                                                         "is not a JSON array",
		`[{"id":"google","client_id":"g","client_secret":"very-secret"}] x`:                                                                                    "is not a JSON array",
		`[{"id":"Corp","issuer":"https://i.example","client_id":"c"}]`:                                                                                         "has no id of",
		`[{"id":"corp","client_id":"c","client_secret":"very-secret"}]`:                                                                                        "has no issuer (corp)",
		`[{"id":"corp","issuer":"i.example","client_id":"c","client_secret":"very-secret"}]`:                                                                   "not a URL",
		`[{"id":"corp","kind":"saml","issuer":"https://i.example","client_id":"c"}]`:                                                                           "has a kind that is not one of",
		`[{"id":"google","client_secret":"very-secret"}]`:                                                                                                      "has no client_id",
		`[{"id":"apple","client_id":"a","client_secret":"very-secret"}]`:                                                                                       "which the service signs itself",
		`[{"id":"apple","client_id":"a","team_id":"T","private_key":"very-secret"}]`:                                                                           "has no team_id or no key_id (apple)",
		`[{"id":"apple","client_id":"a","team_id":"T","key_id":"K","private_key":"very-secret"}]`:                                                              "has a private_key that is no PEM (apple)",
		`[{"id":"apple","client_id":"a","team_id":"T","key_id":"K","private_key":"-----BEGIN PRIVATE KEY-----\ndmVyeS1zZWNyZXQ=\n-----END PRIVATE KEY-----"}]`: "is no private key",
		`[{"id":"apple","client_id":"a","team_id":"T","key_id":"K","private_key":` + privateKey(t, elliptic.P384()) + `}]`:                                     "is not of P-256",
		`[{"id":"google","client_id":"g","client_secret":"very-secret","team_id":"T"}]`:                                                                        "is not of the kind apple (google)",
		`[{"id":"github","client_id":"g"}]`:                                                                                                                    "has no client_secret (github)",
		`[{"id":"a","issuer":"https://i.example","client_id":"c"},{"id":"a","issuer":"https://i.example","client_id":"c"}]`:                                    "has the provider a twice",
	} {
		_, err := Load(Options{Dir: t.TempDir(), Environ: []string{"PROVIDERS=" + text}})
		if err == nil || !strings.Contains(err.Error(), "PROVIDERS: ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "very-secret") {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{"app.example.com/back", "https://app.example.com/back#", "https://*.example.com/back", "javascript:alert(1)", "https:///back", "https://u@app.example.com/"} {
		if _, err := Load(Options{Dir: t.TempDir(), Environ: []string{"AUTH_REDIRECT_URIS=" + text}}); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
	mustLoad(t, Options{Environ: []string{"AUTH_REDIRECT_URIS=https://app.example.com/back,com.example.app:/back,http://127.0.0.1/back"}})
}

// privateKey returns one as a text of JSON.
func privateKey(t *testing.T, curve elliptic.Curve) string {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Quote(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

// Apple posts its answer to the service, whose URL it has to know.
func TestAppleNeedsAURL(t *testing.T) {
	load := func(more ...string) error {
		_, err := Load(Options{Dir: t.TempDir(), Environ: append([]string{
			"ENVIRONMENT=production", "DATABASE_URL=postgres://h/d", "JWT_SECRET_KEY=" + goodSecret, "JWT_REFRESH_SECRET_KEY=" + otherSecret,
			`PROVIDERS=[{"id":"apple","client_id":"a","team_id":"T","key_id":"K","private_key":` + privateKey(t, elliptic.P256()) + `}]`,
		}, more...)})
		return err
	}
	if err := load("AUTH_REDIRECT_URIS=https://app.example.com/back"); err == nil || !strings.Contains(err.Error(), "PUBLIC_URL: has to be set") {
		t.Errorf("%v", err)
	}
	if err := load("PUBLIC_URL=https://id.example.com"); err != nil {
		t.Error(err)
	}
}

// A provider that is not encrypted lets anybody on the network in. On this machine, nobody is
// between.
func TestClearProviders(t *testing.T) {
	load := func(issuer string, more ...string) error {
		_, err := Load(Options{Dir: t.TempDir(), Environ: append([]string{
			"ENVIRONMENT=production", "DATABASE_URL=postgres://h/d", "JWT_SECRET_KEY=" + goodSecret, "JWT_REFRESH_SECRET_KEY=" + otherSecret,
			`PROVIDERS=[{"id":"corp","issuer":"` + issuer + `","client_id":"c","client_secret":"s"}]`,
		}, more...)})
		return err
	}
	if err := load("http://sso.corp.example"); err == nil || !strings.Contains(err.Error(), "the issuer of corp is not https") {
		t.Errorf("%v", err)
	}
	if err := load("http://127.0.0.1:9998"); err != nil {
		t.Errorf("%v", err)
	}
	if err := load("https://sso.corp.example", "AUTH_REDIRECT_URIS=http://app.corp.example/back"); err == nil {
		t.Error("a result that is not encrypted is accepted")
	}
}
