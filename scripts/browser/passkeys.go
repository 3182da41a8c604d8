package main

import (
	"strings"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// proofLasts is how long the story of passkeys counts a proof as recent: the shortest that the
// setting allows, because the story waits for its end.
const proofLasts = time.Minute

// key is a virtual authenticator, such as a fingerprint reader, of one person's browser.
type key struct {
	*person
	id webauthn.AuthenticatorID
}

// authenticator gives the person one, with which they say nothing yet.
func (p *person) authenticator() (*key, error) {
	if _, err := chromedp.Call(p.tab, webauthn.Enable, webauthn.EnableParams{}); err != nil {
		return nil, err
	}
	made, err := chromedp.Call(p.tab, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true,
	}})
	return &key{p, made.AuthenticatorID}, err
}

// touched says whether the person touches it when it asks, and verified whether it then knows
// them.
func (k *key) touched(touched, verified bool) func() error {
	return func() error {
		if _, err := chromedp.Call(k.tab, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: k.id, IsUserVerified: verified}); err != nil {
			return err
		}
		_, err := chromedp.Call(k.tab, webauthn.SetAutomaticPresenceSimulation, webauthn.SetAutomaticPresenceSimulationParams{AuthenticatorID: k.id, Enabled: touched})
		return err
	}
}

// passkeys sets one up, and proves with it who the person is: at a log-in without a password, as
// the second factor of another, and where a page asks again.
func (w *world) passkeys() error {
	ada, err := w.person("Ada")
	if err != nil {
		return err
	}
	if err := ada.register(); err != nil {
		return err
	}
	if !w.script {
		if err := steps(
			ada.opening("/account/factors/passkeys/new"), ada.seeing("A passkey needs JavaScript", "Set up an authenticator app instead"), ada.lacking("Continue"),
			ada.inMenu("A Ada"), ada.pressing("Log out"), ada.seeing("A passkey needs JavaScript", "Register"), ada.lacking("Log in with a passkey"),
		); err != nil {
			return err
		}
		return w.lostFactors(func() error { return nil })
	}
	k, err := ada.authenticator()
	if err != nil {
		return err
	}
	ignored, known, unknown := k.touched(false, true), k.touched(true, true), k.touched(true, false)
	if err := steps(
		ada.opening("/account/factors"), ada.pressing("Set up a passkey"), ada.seeing("A passkey is kept by your device"), ada.checking("new-passkey"),
		ada.filling("Name", "My laptop"), ada.pressing("Continue"), ada.seeing("where to keep the passkey"), ada.checking("make-passkey"),
		unknown, ada.pressing("Make the passkey"), ada.seeing("That was cancelled, or took too long."), ada.checking("make-passkey-cancelled"),
		known, ada.pressing("Make the passkey"), ada.seeing("They are not shown again."), ada.pressing("I have kept them"),
		ada.seeing("My laptop", "Passkey", "10 of them are left."), ada.checking("account-passkeys"),
		ada.pressing("Set up a passkey"), ada.pressing("Continue"), ada.seeing("There is a passkey for this account on that device already."), ada.checking("passkey-exists"),
		ada.pressing("Cancel"), ada.pressing("Rename"), ada.filling("Name", "Difference engine"), ada.pressing("Save"), ada.seeing("The second factor is renamed.", "Difference engine"),
		ignored, ada.inMenu("A Ada"), ada.pressing("Log out"), ada.seeing("Log in"),

		ada.pressing("Log in with a passkey"), ada.seeing("asks for your passkey"), ada.checking("log-in-by-passkey"),
		unknown, ada.pressing("Use a passkey"), ada.seeing("That was cancelled, or took too long."), ada.checking("log-in-by-passkey-cancelled"),
		known, ada.pressing("Use a passkey"), ada.seeing("ada@example.com"),
		ignored, ada.inMenu("A Ada"), ada.pressing("Log out"), ada.pressing("Log in with a passkey"), ada.seeing("asks for your passkey"),
		known, ada.pressing("Use a passkey"), ada.seeing("ada@example.com"),
		// The browser offers it at the address, and the virtual authenticator accepts at once.
		ignored, ada.inMenu("A Ada"), ada.pressing("Log out"), ada.seeing("Forgot your password?"),
		known, ada.opening("/account/log-in"), ada.seeing("ada@example.com"),

		ignored, ada.inMenu("A Ada"), ada.pressing("Log out"), ada.seeing("Log in"),
		ada.filling("Email address", ada.email()), ada.filling("Password", secret), ada.pressing("Log in"), ada.seeing("One more proof is needed"), ada.checking("log-in-second-passkey"),
		known, ada.pressing("Use a recovery code instead"), ada.seeing("6 groups of 4"), ada.pressing("Use a passkey instead"), ada.seeing("ada@example.com"),
	); err != nil {
		return err
	}
	proved := time.Now()
	if err := w.unable(); err != nil {
		return err
	}
	if err := w.lostFactors(func() error {
		time.Sleep(time.Until(proved.Add(proofLasts + time.Second)))
		return nil
	}); err != nil {
		return err
	}
	return steps(
		ada.opening("/account/factors"), ada.pressing("Remove"), ada.seeing("Remove Difference engine?"), ada.pressing("Remove"),
		ada.seeing("recent proof", "Use a recovery code instead"), ada.lacking("app"), ada.checking("confirm-by-passkey"),
		ignored, ada.pressing("Use a passkey"), ada.seeing("If it does not, press the button."), ada.checking("confirm-passkey"),
		known, ada.pressing("Use a passkey"), ada.seeing("Remove Difference engine?"), ada.checking("remove-passkey"),
		ada.pressing("Remove"), ada.seeing("The second factor is removed.", "with your password alone"),
		ignored, ada.inMenu("A Ada"), ada.pressing("Log out"), ada.seeing("Forgot your password?"),
		known, ada.opening("/account/log-in"), ada.seeing("The passkey was not accepted"), ada.checking("log-in-by-passkey-refused"),
	)
}

// unable logs in where no passkey can be used: in a browser that has none, and at an address of
// another host than that of the passkeys. The page says why, and the password works.
func (w *world) unable() error {
	mary, err := w.person("Mary")
	if err != nil {
		return err
	}
	if _, err := chromedp.Call(mary.tab, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: "delete self.PublicKeyCredential"}); err != nil {
		return err
	}
	if err := steps(
		mary.opening("/account/log-in"), mary.pressing("Log in with a passkey"), mary.seeing("This browser can't use passkeys."), mary.checking("log-in-by-passkey-unsupported"),
		mary.pressing("Use a passkey"), mary.seeing("This browser can't use passkeys."), mary.pressing("Cancel"), mary.seeing("Password"),
	); err != nil {
		return err
	}
	elsewhere := &world{base: strings.Replace(w.base, "localhost", "127.0.0.1", 1), axe: w.axe, shots: w.shots, browser: w.browser, script: w.script, checked: w.checked}
	eve, err := elsewhere.person("Eve")
	if err != nil {
		return err
	}
	if err := steps(
		eve.opening("/account/log-in"), eve.pressing("Log in with a passkey"), eve.seeing("does not allow passkeys at this address"), eve.checking("log-in-by-passkey-elsewhere"),
	); err != nil {
		return err
	}
	w.faults = append(w.faults, elsewhere.faults...)
	return nil
}

// lostFactors asks for the removal of an app that is lost, and keeps it from another browser.
func (w *world) lostFactors(then func() error) error {
	grace, err := w.person("Grace")
	if err != nil {
		return err
	}
	other, err := w.person("Grace")
	if err != nil {
		return err
	}
	if err := steps(grace.register, grace.verify, grace.opening("/account/factors/new")); err != nil {
		return err
	}
	if _, _, err := grace.setsUp(); err != nil {
		return err
	}
	return steps(
		other.opening("/account/log-in"), other.filling("Email address", grace.email()), other.filling("Password", secret), other.pressing("Log in"), other.seeing("One more proof is needed"),
		other.pressing("Lost your second factors"), other.seeing("takes effect after a waiting time"), other.checking("lost-factors"),
		other.filling("Email address", grace.email()), other.pressing("Send a code"), other.seeing("we have sent it a mail"), other.checking("lost-factors-code"),
		other.filling("Code", "0000 0000"), other.filling("Password", secret), other.pressing("Ask for the removal"), other.seeing("wrong"), other.checking("lost-factors-refused"),
		other.code, other.filling("Password", secret), other.pressing("Ask for the removal"), other.seeing("You can log in without a second factor from"), other.checking("lost-factors-asked"),
		grace.opening("/account/factors"), grace.seeing("Your second factors will be removed"), grace.checking("account-factors-recovery"),
		grace.pressing("Keep my second factors"), grace.seeing("Your second factors stay."), grace.lacking("will be removed"),
		then,
	)
}
