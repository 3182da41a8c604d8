package main

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// otp is a code of an authenticator app (RFC 6238). Each works once, and only after the one
// before: so a story takes the code of the step before, of the current one, and of the next.
func otp(secret string, step int64) string {
	// The service takes the step before the present one, and none before: there must be time to type.
	if into := time.Now().Unix() % 30; step < 0 && into > 15 {
		time.Sleep(time.Duration(30-into) * time.Second)
	}
	key, err := base32.StdEncoding.DecodeString(secret)
	if err != nil {
		return err.Error()
	}
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, time.Now().Unix()/30+step)
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:at+4])&0x7fffffff%1_000_000)
}

// secret returns what the page shows for an app.
func (p *person) secret() (string, error) {
	secret, err := try[string](p, `return document.querySelector(".groups")?.textContent || null;`)
	if err != nil {
		return "", p.failed(err)
	}
	return secret, nil
}

// setsUp sets up an app where the page asks for its name, and returns its secret and the
// recovery codes, which the page shows once.
func (p *person) setsUp() (secret string, codes []string, err error) {
	if err := steps(p.pressing("Continue"), p.seeing("Scan this")); err != nil {
		return "", nil, err
	}
	if secret, err = p.secret(); err != nil {
		return "", nil, err
	}
	if err := steps(p.filling("Code from the app", otp(secret, -1)), p.pressing("Confirm"), p.seeing("They are not shown again.")); err != nil {
		return "", nil, err
	}
	shown, err := try[string](p, `return document.getElementById("codes")?.value || null;`)
	if err != nil {
		return "", nil, p.failed(err)
	}
	return secret, strings.Fields(shown), nil
}

// secondFactors sets one up, asks all members of an organization for one, and logs in with it.
func (p *person) secondFactors(organization string, member *person) error {
	if err := steps(
		p.opening("/account/factors"), p.seeing("with your password alone"), p.checking("account-no-factors"),
		p.opening(organization+"/security"), p.seeing("you need one yourself"), p.checking("security-without-factor"),
		p.pressing("Set up a second factor"), p.seeing("You need an app"), p.checking("new-factor"),
		p.pressing("Continue"), p.seeing("Scan this"), p.checking("factor"),
	); err != nil {
		return err
	}
	former, err := p.secret()
	if err != nil {
		return err
	}
	if err := steps(
		p.filling("Code from the app", "000000"), p.pressing("Confirm"), p.seeing("is wrong, or was used before"), p.hiding(former), p.checking("factor-refused"),
		p.pressing("start again"), p.seeing("You need an app"),
	); err != nil {
		return err
	}
	key, codes, err := p.setsUp()
	if err != nil {
		return err
	}
	if p.script {
		if err := steps(p.checking("recovery-codes"), p.pressing("Download"), p.pressing("Copy"), p.seeing("Copied")); err != nil {
			return err
		}
	}
	if err := steps(
		p.pressing("I have kept them"), p.seeing("Change the policy"), p.hiding(codes[0]), p.backToForm, p.hiding(codes[0]), p.hiding(key),
		p.opening(organization+"/security"), p.pressing("Change the policy"), p.seeing("At most 90 days ahead"), p.checking("change-security"),
		p.filling("Asks for a second factor", "Every member"), p.pressing("Save"), p.seeing("The policy was changed.", "Every member"), p.checking("security"),
	); err != nil {
		return err
	}
	if err := member.refused(organization); err != nil {
		return err
	}
	return steps(
		p.opening("/account/factors"), p.seeing("My phone", "10 of them are left."), p.checking("account-factors"),
		p.pressing("Rename"), p.seeing("Rename My phone"), p.checking("rename-factor"), p.filling("Name", "Pocket telegraph"), p.pressing("Save"), p.seeing("The second factor is renamed.", "Pocket telegraph"),
		p.pressing("Remove"), p.seeing("Remove Pocket telegraph?"), p.checking("remove-factor"),
		p.opening("/account/factors/codes"), p.seeing("10 new codes"), p.checking("new-recovery-codes"),
		p.opening("/account/confirm?next=/account/sessions"), p.seeing("recent proof"), p.checking("confirm-by-factor"),
		p.filling("Code from the app", "000000"), p.pressing("Continue"), p.seeing("is wrong, or was used before"), p.checking("confirm-refused"),
		p.pressing("Use a recovery code instead"), p.seeing("6 groups of 4"), p.checking("confirm-by-code"),
		p.filling("Recovery code", codes[0]), p.pressing("Continue"), p.seeing("Where you are logged in."),
		p.inMenu("G Grace"), p.pressing("Log out"), p.seeing("Log in"),
		p.filling("Email address", p.email()), p.filling("Password", secret), p.pressing("Log in"), p.seeing("One more proof is needed"), p.checking("log-in-factor"),
		p.filling("Code from the app", "000000"), p.pressing("Log in"), p.seeing("The code is wrong"), p.checking("log-in-factor-refused"),
		p.pressing("Use a recovery code instead"), p.seeing("6 groups of 4"), p.checking("log-in-recovery-code"),
		p.pressing("Use the app instead"), p.filling("Code from the app", otp(key, 0)), p.pressing("Log in"), p.seeing(p.name),
		p.opening(organization+"/members"), p.seeing("Charles"),
	)
}

// refused looks at an organization that asks for a second factor, sets one up, and comes back.
func (p *person) refused(organization string) error {
	if err := steps(
		p.opening(organization+"/members"), p.seeing("asks you for a second factor, and you have none."), p.checking("factor-needed"),
		p.inMenu("Analytical Engines"), p.seeing("Needs a second factor"), p.checking("menu-factor-needed"),
		p.opening("/account/organizations"), p.seeing("Needs a second factor"), p.checking("account-organizations-factor"),
		p.opening(organization+"/members"), p.pressing("Set up a second factor"), p.seeing("You need an app"),
	); err != nil {
		return err
	}
	if _, _, err := p.setsUp(); err != nil {
		return err
	}
	return steps(p.pressing("I have kept them"), p.seeing("Search people", "grace@example.com"))
}
