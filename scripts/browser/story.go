package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

func decode(body []byte) (mails []struct{ Codes, Links []string }, err error) {
	return mails, json.Unmarshal(body, &mails)
}

const secret = "correct horse battery"

// steps runs steps in order, and stops at the first that fails.
func steps(all ...func() error) error {
	for _, step := range all {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (p *person) email() string { return strings.ToLower(p.name) + "@example.com" }

// Steps of a person, to be run later.
func (p *person) opening(path string) func() error  { return func() error { return p.open(path) } }
func (p *person) pressing(text string) func() error { return func() error { return p.press(text) } }
func (p *person) inMenu(text string) func() error   { return func() error { return p.menu(text) } }
func (p *person) filling(label, v string) func() error {
	return func() error { return p.fill(label, v) }
}
func (p *person) seeing(texts ...string) func() error {
	return func() error { return p.sees(texts...) }
}
func (p *person) lacking(text string) func() error  { return func() error { return p.lacks(text) } }
func (p *person) checking(name string) func() error { return func() error { return p.check(name) } }
func (p *person) logIn(password string) []func() error {
	return []func() error{
		p.opening("/account/log-in"), p.filling("Email address", p.email()), p.filling("Password", password), p.pressing("Log in"), p.seeing(p.name),
	}
}

// register makes an account, with an organization of the person's own.
func (p *person) register() error {
	return steps(
		p.opening("/account/log-in"), p.seeing("Log in"), p.checking("log-in"),
		p.pressing("Register"), p.seeing("Register"), p.checking("register"),
		p.filling("Name", p.name), p.filling("Email address", p.email()), p.filling("Password", secret), p.pressing("Register"),
		p.seeing(p.name+"'s Organization"),
	)
}

// code types the code of the newest mail to the person.
func (p *person) code() error {
	mail, err := p.mailed(p.email())
	if err != nil {
		return err
	}
	return p.fill("Code", mail.Codes[0])
}

// verify proves the person's address.
func (p *person) verify() error {
	return steps(
		p.opening("/account"), p.pressing("Confirm the email address"), p.seeing("Enter the code"), p.checking("verify"),
		p.code, p.pressing("Confirm the address"), p.seeing("Your email address is confirmed."),
	)
}

// account looks at the pages about the person, and changes the profile.
func (p *person) account() error {
	for _, page := range []string{"profile", "password", "email", "sessions", "activity", "organizations", "data", "erase", "close", "confirm", "sessions/everywhere", "organizations/new"} {
		if err := steps(p.opening("/account/"+page), p.checking("account-"+strings.ReplaceAll(page, "/", "-"))); err != nil {
			return err
		}
	}
	return steps(
		p.opening("/account/profile"), p.filling("About you optional", "I count."), p.pressing("Save"), p.seeing("Your profile is saved."), p.checking("account-saved"),
		p.opening("/account/password"), p.filling("Present password", "wrong"), p.filling("New password", "short"), p.pressing("Set the password"),
		p.seeing("must have at least 8 characters"), p.checking("account-refused"),
	)
}

// machines gives programs access to an organization: a service account with its key, and one of
// the person's own.
func (p *person) machines(organization string) error {
	if err := steps(
		p.opening(organization+"/keys"), p.seeing("There are no API keys."), p.checking("no-keys"),
		p.pressing("Service accounts"), p.seeing("There are no service accounts."), p.checking("no-service-accounts"),
		p.pressing("Create a service account"), p.filling("Name", "Nightly export"), p.filling("Description optional", "Copies the members to the warehouse."), p.checking("new-service-account"),
		p.pressing("Create a service account"), p.seeing("The account was created."), p.checking("service-accounts"),
		p.pressing("Nightly export"), p.seeing("Service account", "Make admin"), p.checking("service-account"),
		p.pressing("Make an API key"), p.seeing("Make an API key for Nightly export"), p.checking("new-key"),
		p.filling("Name", "Warehouse"), p.ticking("Read"), p.pressing("Make an API key"), p.seeing("Choose at least one."), p.checking("new-key-refused"),
		p.ticking("Read"), p.filling("How long it works", "30 days"), p.pressing("Make an API key"), p.seeing("Copy the key now"), p.checking("key"),
	); err != nil {
		return err
	}
	if err := p.once(organization); err != nil {
		return err
	}
	return steps(
		p.opening(organization+"/keys"), p.seeing("Nightly export", "Warehouse"), p.checking("keys"),
		p.pressing("Rotate"), p.seeing("Rotate Warehouse?"), p.checking("rotate-key"), p.pressing("Rotate"), p.seeing("Copy the key now"),
		p.pressing("To the API keys"), p.seeing("Rotated"), p.checking("keys-rotated"),
		p.pressing("Revoke"), p.seeing("Revoke Warehouse?"), p.checking("revoke-key"), p.filling("Type", "Warehouse"), p.pressing("Revoke"), p.seeing("The key was revoked."),
		p.opening("/account/keys"), p.seeing("You have no API keys."), p.checking("account-no-keys"),
		p.pressing("Make an API key"), p.seeing("The key is yours"), p.checking("account-new-key"),
		p.filling("Name", "My laptop"), p.filling("Organization", "Analytical Engines"), p.ticking("Change"), p.pressing("Make an API key"), p.seeing("Copy the key now"), p.checking("account-key"),
		p.pressing("To the API keys"), p.seeing("My laptop", "Analytical Engines"), p.checking("account-keys"),
		p.pressing("Rotate"), p.seeing("Rotate My laptop?"), p.filling("The former key works", "No longer"), p.pressing("Rotate"), p.seeing("Copy the key now"),
		p.pressing("To the API keys"), p.pressing("Revoke"), p.filling("Type", "My laptop"), p.pressing("Revoke"), p.seeing("The key was revoked."),
	)
}

// once uses the key that the page shows, and checks that neither a reload nor the way back shows
// it again.
func (p *person) once(organization string) error {
	key, err := try[string](p, `return document.getElementById("secret")?.value || null;`)
	if err != nil {
		return p.failed(err)
	}
	if p.script {
		if err := steps(p.pressing("Copy"), p.seeing("Copied")); err != nil {
			return err
		}
	}
	path := strings.Replace(organization, "/console/o/", "/api/v1/organizations/", 1) + "/members"
	request, err := http.NewRequest(http.MethodGet, p.base+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s with the key of the page: %s", path, answer.Status)
	}
	return steps(
		p.pressing("To the API keys"), p.seeing("Warehouse"), p.hiding(key), p.backToForm, p.hiding(key),
		p.reload, p.seeing("This key was shown once"), p.hiding(key), p.opening(organization+"/keys"), p.seeing("Warehouse"), p.hiding(key),
	)
}

// platform makes a person a platform administrator, who looks after everything.
func (p *person) platform(other *person) error {
	if err := p.command("admin", "grant", p.email()); err != nil {
		return err
	}
	for _, page := range []string{"people", "people/new", "organizations", "trail", "administrators", "signing-keys", "health", "configuration"} {
		if err := steps(p.opening("/console/"+page), p.checking("platform-"+strings.ReplaceAll(page, "/", "-"))); err != nil {
			return err
		}
	}
	if err := p.registered(); err != nil {
		return err
	}
	return steps(
		p.opening("/console/people?q="+other.name), p.pressing(other.name), p.seeing(other.email(), "Owner"), p.checking("platform-person"),
		p.pressing("Suspend"), p.seeing("Suspend "+other.name+"?"), p.filling("Reason", "Lost the mill."), p.checking("platform-suspend"), p.pressing("Suspend"),
		p.seeing(other.name+" is suspended.", "Lost the mill.", "Undo"), p.checking("platform-suspended"),
		p.pressing("Undo"), p.seeing(other.name+" is in good standing again."),
		p.pressing("Account activity"), p.seeing("suspended "+other.name), p.checking("platform-activity"),
		p.opening("/console/people?q="+other.name), p.pressing(other.name), p.pressing("Live sessions"), p.seeing("Sessions of "+other.name), p.checking("platform-sessions"),
	)
}

// registered registers an API, gives it a key, changes it and removes it.
func (p *person) registered() error {
	return steps(
		p.opening("/console/apis"), p.seeing("No API is registered."), p.checking("no-apis"),
		p.pressing("Register an API"), p.filling("Name", "Orders"), p.filling("Identifier", "https://orders.example.com"), p.filling("Scopes optional", "Orders!"), p.pressing("Register an API"),
		p.seeing("must"), p.checking("register-api-refused"),
		p.filling("Scopes optional", "orders:read"), p.checking("register-api"), p.pressing("Register an API"), p.seeing("The API is registered.", "orders:read"), p.checking("api"),
		p.pressing("Make an API key"), p.seeing("Make an API key for Orders"), p.checking("new-key-of-api"),
		p.filling("Name", "production"), p.pressing("Make an API key"), p.seeing("Copy the key now"), p.checking("key-of-api"),
		p.pressing("To the API keys"), p.seeing("production"), p.checking("api-with-key"),
		p.pressing("Change"), p.seeing("Change Orders"), p.checking("change-api"), p.ticking("It takes the tokens of log-ins, too"), p.pressing("Save"), p.seeing("The API was changed.", "also the tokens of log-ins"),
		p.pressing("Revoke"), p.seeing("Revoke production?"), p.filling("Type", "production"), p.pressing("Revoke"), p.seeing("The key was revoked."),
		p.opening("/console/apis"), p.seeing("Orders"), p.checking("apis"), p.pressing("Orders"),
		p.pressing("Remove"), p.seeing("Remove Orders?"), p.checking("remove-api"), p.filling("Type", "Orders"), p.pressing("Remove"), p.seeing("The API was removed."),
	)
}

// story is that of scripts/demo. It ends with a measurement.
func (w *world) story() error {
	people := map[string]*person{}
	for _, name := range []string{"Ada", "Grace", "Charles", "Mary", "Eve"} {
		p, err := w.person(name)
		if err != nil {
			return err
		}
		people[name] = p
	}
	ada, grace, charles := people["Ada"], people["Grace"], people["Charles"]
	for _, p := range []*person{ada, grace, charles, people["Eve"]} {
		if err := p.register(); err != nil {
			return err
		}
	}
	// Grace and Charles prove their addresses, so that they can be added by them.
	if err := steps(grace.verify, charles.verify, grace.account); err != nil {
		return err
	}
	// Ada creates Analytical Engines, adds both, and makes Grace an admin.
	if err := steps(
		ada.opening("/account"), ada.checking("account"),
		ada.opening("/console"), ada.seeing("You are the only member so far."), ada.checking("members-alone"),
		ada.inMenu("Ada's Organization"), ada.pressing("New organization"), ada.seeing("Name of the organization"), ada.checking("new-organization"),
		ada.filling("Name of the organization", "Analytical Engines"), ada.pressing("Create"), ada.seeing("The organization was created."),
		ada.pressing("Add a person"), ada.filling("Email address", "nobody@example.com"), ada.pressing("Add a person"), ada.seeing("There is no"), ada.checking("add-refused"),
		ada.filling("Email address", strings.ToUpper(grace.email())), ada.pressing("Add a person"), ada.seeing("The person was added.", "Grace"),
		ada.pressing("Add a person"), ada.filling("Email address", charles.email()), ada.pressing("Add a person"), ada.seeing("Charles"), ada.checking("members"),
		ada.pressing("Grace"), ada.seeing("grace@example.com", "Make admin"), ada.checking("member"),
		ada.pressing("Make admin"), ada.seeing("Make Grace an admin?"), ada.checking("grant"), ada.pressing("Make admin"), ada.seeing("Grace is an admin now.", "Undo"), ada.checking("granted"),
		ada.pressing("Undo"), ada.seeing("Grace is a plain member now."), ada.pressing("Undo"), ada.seeing("Grace is an admin now."),
	); err != nil {
		return err
	}
	engines, err := ada.organization()
	if err != nil {
		return err
	}
	// For Eve, the organization does not exist.
	eve := people["Eve"]
	if err := steps(eve.opening(engines+"/members"), eve.seeing("There is no such organization."), eve.checking("unknown-organization")); err != nil {
		return err
	}
	// Grace suspends Charles, who loses access at once, and keeps his own organization.
	if err := steps(
		charles.opening(engines+"/members"), charles.seeing("Grace"), charles.lacking("Invite people"),
		grace.opening(engines+"/members"), grace.pressing("Charles"), grace.pressing("Suspend"), grace.seeing("Suspend Charles?"), grace.checking("suspend"),
		grace.filling("Reason", "Left the difference engine running."), grace.filling("How long", "7 days"), grace.pressing("Suspend"),
		grace.seeing("Charles is suspended.", "Left the difference engine running."), grace.checking("suspended"),
		charles.opening(engines+"/members"), charles.seeing("suspended"), charles.checking("refused"),
		charles.opening("/console"), charles.seeing("Charles's Organization"),
		grace.opening(engines+"/members"), grace.pressing("Ada"), grace.seeing("ada@example.com"), grace.lacking("Suspend"),
		grace.opening(engines+"/members"), grace.pressing("Charles"), grace.pressing("Restore"), grace.seeing("Restore Charles?"), grace.pressing("Restore"), grace.seeing("Charles is in good standing again."),
		charles.opening(engines+"/members"), charles.seeing("Grace"),
	); err != nil {
		return err
	}
	// Ada can't leave while she is the owner. She transfers ownership to Grace.
	if err := steps(
		ada.opening(engines+"/settings"), ada.seeing("Archive"), ada.lacking("Leave"), ada.checking("settings"),
		ada.pressing("Archive"), ada.seeing("Type Analytical Engines to confirm"), ada.checking("archive"),
		ada.opening(engines+"/members"), ada.pressing("Grace"), ada.pressing("Make owner"), ada.seeing("Make Grace the owner?"),
		ada.filling("Type", "grace@example.com"), ada.pressing("Make owner"), ada.seeing("Grace is the owner now."), ada.lacking("Make owner"),
		ada.opening(engines+"/settings"), ada.seeing("Leave"), ada.lacking("Archive"),
		ada.opening(engines+"/audit"), ada.seeing("Ada made Grace the owner", "Grace suspended Charles"), ada.checking("audit"),
		ada.filling("Action", "member.added"), ada.search("Search"), ada.seeing("Ada added Charles"),
	); err != nil {
		return err
	}
	// Charles has forgotten his password.
	if err := steps(
		charles.inMenu("C Charles"), charles.pressing("Log out"), charles.seeing("Forgot your password?"),
		charles.pressing("Forgot your password?"), charles.seeing("Email address"), charles.checking("forgot"),
		charles.filling("Email address", charles.email()), charles.pressing("Send a code"), charles.seeing("Enter the code"), charles.checking("reset"),
		charles.code, charles.filling("Choose a new password", secret+" staple"), charles.pressing("Set the password"), charles.seeing("Your password is set."),
	); err != nil {
		return err
	}
	if err := steps(charles.logIn(secret + " staple")...); err != nil {
		return err
	}
	// Grace invites Mary, who has no account.
	mary := people["Mary"]
	if err := steps(
		grace.opening(engines+"/invitations"), grace.seeing("No invitation fits."), grace.checking("no-invitations"),
		grace.pressing("Invite people"), grace.filling("Email addresses", "mary@example.com, nonsense"), grace.filling("Role", "Admin"), grace.checking("invite"),
		grace.pressing("Invite people"), grace.seeing("number 2"), grace.checking("invite-refused"),
		grace.filling("Email addresses", "mary@example.com"), grace.pressing("Invite people"), grace.seeing("The invitations are on their way.", "mary@example.com"), grace.checking("invitations"),
		grace.opening(engines+"/invitation-link"), grace.seeing("How many people can join"), grace.checking("new-link"), grace.pressing("Create an invitation link"), grace.seeing("Copy the link now"), grace.checking("link"),
	); err != nil {
		return err
	}
	invitation, err := w.mailed(mary.email())
	if err != nil {
		return err
	}
	if err := steps(mary.opening(invitation.Links[0]), mary.seeing("Invitation"), mary.checking("invitation-link")); err != nil {
		return err
	}
	if !w.script { // only a script can read the token in the link
		if err := mary.fill("Paste the link here", invitation.Links[0]); err != nil {
			return err
		}
	}
	if err := steps(
		mary.pressing("Show the invitation"), mary.seeing("Grace invites you to Analytical Engines"), mary.checking("invitation"),
		mary.filling("Name", "Mary"), mary.fillingLast("Email address", mary.email()), mary.fillingLast("Password", secret), mary.pressing("Register and join"),
		mary.seeing("Analytical Engines"),
	); err != nil {
		return err
	}
	// Programs act in Analytical Engines.
	if err := grace.machines(engines); err != nil {
		return err
	}
	// Grace asks everybody in Analytical Engines for a second factor.
	if err := grace.secondFactors(engines, charles); err != nil {
		return err
	}
	// Ada becomes a platform administrator.
	if err := ada.platform(people["Eve"]); err != nil {
		return err
	}
	// Grace logs out. The page before, from the browser's history, shows nothing.
	if err := steps(
		grace.opening(engines+"/members"), grace.seeing("Ada"), grace.inMenu("G Grace"), grace.seeing("Appearance"), grace.checking("menu"), grace.pressing("Log out"), grace.seeing("Log in"),
		grace.back, grace.seeing("Log in"), grace.lacking("ada@example.com"),
	); err != nil || !w.script {
		return err
	}
	return w.firstVisit()
}

// organization returns the path of the organization whose page the person looks at.
func (p *person) organization() (string, error) {
	place, err := p.location()
	if err != nil {
		return "", err
	}
	parts := strings.Split(strings.TrimPrefix(place, p.base), "/")
	if len(parts) < 4 || parts[2] != "o" {
		return "", fmt.Errorf("%s: no organization in %s", p.at, place)
	}
	return strings.Join(parts[:4], "/"), nil
}
