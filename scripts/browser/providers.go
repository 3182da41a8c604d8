package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
)

// configuredProviders is a setting with the provider twice: as any, and as one that posts its
// answers, as Apple does.
func configuredProviders() (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal([]map[string]string{
		{"id": "corp", "name": "Corp", "issuer": elsewhere + "/", "client_id": "web", "client_secret": "secret"},
		{"id": "apple", "issuer": elsewhere + "/", "client_id": "native", "team_id": "TEAM", "key_id": "KEY", "private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))},
	})
	return "PROVIDERS=" + string(text), err
}

// elsewhereAs logs in at the provider.
func (p *person) elsewhereAs(username string) func() error {
	return func() error {
		return steps(p.seeing("Username:"), p.filling("Username:", username), p.filling("Password:", "verysecure"), p.pressing("Login"))
	}
}

// providers logs in with another service, links and unlinks an account there, and proves with it
// who the person is where there is no password.
func (w *world) providers() error {
	user, err := w.person("Test")
	if err != nil {
		return err
	}
	ada, err := w.person("Ada")
	if err != nil {
		return err
	}
	user.mayLeave, ada.mayLeave = true, true
	const only, hers = "test-user2", "test-user@127.0.0.1"
	if err := steps(
		user.opening("/account/log-in"), user.seeing("Continue with Corp", "Continue with Apple"), user.checking("log-in-providers"),
		user.pressing("Continue with Corp"), user.elsewhereAs(only), user.seeing("Test User2's Organization"),
		user.opening("/account/identities"), user.seeing("test-user2@zitadel.ch"), user.checking("identities"),
		user.pressing("Unlink"), user.seeing("Unlink Corp?"), user.checking("unlink-identity"), user.pressing("Unlink"), user.seeing("last way to log in"), user.checking("unlink-last-identity"),
		user.opening("/account/confirm"), user.seeing("no password"), user.checking("confirm-without-password"),
		user.inMenu("TU Test User2"), user.pressing("Log out"), user.seeing("Log in"),

		ada.register, ada.verify,
		ada.opening("/account/identities"), ada.seeing("Link Corp"), ada.checking("no-identities"),
		ada.pressing("Link Corp"), ada.seeing("Link your account at Corp?"), ada.checking("link-identity"), ada.pressing("Continue with Corp"), ada.elsewhereAs(hers), ada.seeing("test-user@zitadel.ch"),
		ada.inMenu("A Ada"), ada.pressing("Log out"), ada.pressing("Continue with Corp"), ada.elsewhereAs(hers), ada.seeing("Ada's Organization"),
		ada.opening("/account/identities"), ada.pressing("Link Corp"), ada.pressing("Continue with Corp"), ada.elsewhereAs(only), ada.seeing("is linked already"), ada.checking("link-refused"),
		ada.opening("/account/callback?code=x&state=x"), ada.seeing("This browser did not ask for this log-in"), ada.checking("provider-unasked"),
		ada.opening("/account/factors/new"),
	); err != nil {
		return err
	}
	app, _, err := ada.setsUp()
	if err != nil {
		return err
	}
	if err := steps(
		ada.pressing("I have kept them"), ada.seeing("10 of them are left."), ada.inMenu("A Ada"), ada.pressing("Log out"),
		ada.pressing("Continue with Corp"), ada.elsewhereAs(hers), ada.seeing("One more proof is needed"), ada.checking("provider-second-factor"),
		func() error { return ada.fill("Code from the app", otp(app, 0)) }, ada.pressing("Log in"), ada.seeing("Ada's Organization"),
		ada.opening("/account/identities"), ada.pressing("Unlink"), ada.seeing("Unlink Corp?"), ada.pressing("Unlink"), ada.seeing("It does not log in to your account any more."), ada.checking("unlinked"),
	); err != nil {
		return err
	}
	if !w.script {
		return nil // nobody would press the button that the provider's form lacks
	}
	// The browser comes back with a form from another site, and goes on with its cookie.
	return steps(
		user.pressing("Continue with Apple"), user.elsewhereAs(only), user.seeing("Test User2's Organization"),
		user.opening("/account/identities"), user.pressing("Link Apple"), user.pressing("Continue with Apple"), user.elsewhereAs(hers), user.seeing("test-user@zitadel.ch"), user.checking("identities-two"),
		user.pressing("Unlink"), user.seeing("Unlink Corp?"), user.pressing("Unlink"), user.seeing("It does not log in to your account any more."),
	)
}
