package config

import (
	"strings"
	"testing"
)

func TestNamedSecrets(t *testing.T) {
	cfg := mustLoad(t, Options{Environ: []string{`PASSWORD_IMPORT_KEYS={"rails":"a pepper","firebase":"c2lnbmVy"}`}})
	if cfg.PasswordImportKeys["rails"].Reveal() != "a pepper" || len(cfg.PasswordImportKeys) != 2 {
		t.Errorf("%d keys", len(cfg.PasswordImportKeys))
	}
	for _, s := range cfg.Masked() {
		if s.Name == "PASSWORD_IMPORT_KEYS" && s.Value != `{"firebase":"********","rails":"********"}` {
			t.Error(s.Value)
		}
	}
	for _, bad := range []string{"pepper", `["pepper"]`, `{"rails":"pepper"`, "null", `{"rails":""}`, `{"Rails":"pepper"}`, `{"rails":{"key":"pepper"}}`} {
		_, err := Load(Options{Dir: t.TempDir(), Environ: []string{"PASSWORD_IMPORT_KEYS=" + bad}})
		if err == nil || !strings.Contains(err.Error(), "PASSWORD_IMPORT_KEYS: ") || strings.Contains(err.Error(), "pepper") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestSettingsOfMail(t *testing.T) {
	const server, sender = "SMTP_HOST=smtp.example.com", "MAIL_FROM=Example <accounts@example.com>"
	for given, problem := range map[string]string{
		"MAIL_TRANSPORT=smtp|" + server + "|" + sender + "|PUBLIC_URL=https://accounts.example.com":                    "",
		"MAIL_TRANSPORT=smtp|" + server + "|" + sender + "|APP_URL=https://app.example.com/x":                          "",
		"MAIL_TRANSPORT=smtp|" + server + "|" + sender:                                                                 "PUBLIC_URL: ",
		"MAIL_TRANSPORT=smtp|" + server + "|PUBLIC_URL=https://accounts.example.com":                                   "MAIL_FROM: ",
		"MAIL_TRANSPORT=smtp|" + sender + "|PUBLIC_URL=https://accounts.example.com":                                   "SMTP_HOST: ",
		"MAIL_TRANSPORT=smtp|" + server + "|" + sender + "|PUBLIC_URL=https://accounts.example.com|SMTP_TLS=none":      "SMTP_TLS: ",
		"MAIL_TRANSPORT=smtp|SMTP_HOST=127.0.0.1|" + sender + "|PUBLIC_URL=https://accounts.example.com|SMTP_TLS=none": "",
		"MAIL_TRANSPORT=mailbox":             "MAIL_TRANSPORT: ",
		"MAIL_TRANSPORT=none|SMTP_PORT=0":    "SMTP_PORT: ",
		"MAIL_FROM=accounts":                 "MAIL_FROM: ",
		"MAIL_FROM=Büro <a@bücher.example>":  "MAIL_FROM: ",
		"MAIL_RETURN_PATH=a@bücher.example":  "MAIL_RETURN_PATH: ",
		"MAIL_RETURN_PATH=A <a@example.com>": "MAIL_RETURN_PATH: ",
		"PUBLIC_URL=accounts.example.com":    "PUBLIC_URL: ",
		"PUBLIC_URL=https://a.example.com/":  "PUBLIC_URL: ",
		"APP_URL=https://u:p@a.example.com":  "APP_URL: ",
		"APP_URL=javascript://a.example.com": "APP_URL: ",
		"MAIL_DEFAULT_LOCALE=fr":             "MAIL_DEFAULT_LOCALE: ",
		"SMTP_TLS=maybe":                     "SMTP_TLS: ",
	} {
		_, err := Load(Options{Dir: t.TempDir(), Environ: inProduction(strings.Split(given, "|")...)})
		switch {
		case problem == "" && err != nil:
			t.Errorf("%s: %v", given, err)
		case problem != "" && (err == nil || !strings.Contains(err.Error(), problem)):
			t.Errorf("%s: %v, want %s", given, err, problem)
		}
	}
}

func TestWhereLinksLead(t *testing.T) {
	for given, want := range map[string]string{
		"PORT=8123": "http://localhost:8123", "PUBLIC_URL=https://p.example": "https://p.example", "APP_URL=https://a.example": "https://a.example",
	} {
		if got := inDevelopment(t, t.TempDir(), given).LinkBase(); got != want {
			t.Errorf("%s: %s, want %s", given, got, want)
		}
	}
}
