package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"

	"guildhall/platform/field"
)

// This file is all of Web Authentication: what a browser is asked for, and whether its answer
// is right. enrolpasskey.go sets passkeys up, and secondfactor.go and entry.go use them.
//
// A ceremony is one question to an authenticator. Its random challenge is kept, encrypted, with
// a row of challenges, which is consumed with the answer: the library itself would accept an
// answer again.

// verified is a request that the authenticator verifies the person, by a PIN or a fingerprint, and
// ifPossible where possession suffices.
const (
	verified   = protocol.VerificationRequired
	ifPossible = protocol.VerificationPreferred
)

// ceremony is what the service has to remember of a question to an authenticator.
type ceremony = webauthn.SessionData

// relyingParty is the service as authenticators know it. It is nil where passkeys are off.
type relyingParty struct{ web *webauthn.WebAuthn }

// newRelyingParty returns nil without a domain. It panics for a domain that the settings do not
// allow.
func newRelyingParty(domain, product string, origins []string) *relyingParty {
	if domain == "" {
		return nil
	}
	// The challenge's row expires at the same time.
	timeout := webauthn.TimeoutConfig{Enforce: true, Timeout: lifetimes[forPasskey], TimeoutUVD: lifetimes[forPasskey]}
	web, err := webauthn.New(&webauthn.Config{
		RPID: domain, RPDisplayName: product, RPOrigins: origins,
		// Which model an authenticator is decides nothing here, so nobody is asked to show it.
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			// A passkey logs in without an email address, so it must be discoverable. On its
			// own it must be two factors, so the authenticator must verify the person. A key
			// that can't would only be a second factor, and its owner would learn that at a
			// log-in. So neither is optional at registration.
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: verified,
		},
		Timeouts: webauthn.TimeoutsConfig{Login: timeout, Registration: timeout},
		// Some password managers answer extensions that nobody asked for. None is used here.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		panic(fmt.Sprintf("auth: WEBAUTHN_RP_ID: %v", err))
	}
	return &relyingParty{web}
}

// holder is a person with their passkeys of this domain, as the library asks for them.
type holder struct {
	person
	keys []passkey
}

// holderOf leaves out the passkeys of a former domain, which no browser would use here.
func (r *relyingParty) holderOf(p person, keys []passkey) holder {
	return holder{p, slices.DeleteFunc(slices.Clone(keys), func(k passkey) bool { return k.rpID != r.web.Config.RPID })} // mutant: passkey-domain
}

// WebAuthnID returns the user handle: the account's id. It never changes, it is the same for all
// passkeys of an account, and it tells no more than each token does.
func (h holder) WebAuthnID() []byte { return h.id[:] }

// WebAuthnName implements webauthn.User.
func (h holder) WebAuthnName() string { return h.email }

// WebAuthnDisplayName implements webauthn.User.
func (h holder) WebAuthnDisplayName() string { return h.name }

// WebAuthnCredentials implements webauthn.User.
func (h holder) WebAuthnCredentials() []webauthn.Credential {
	list := make([]webauthn.Credential, len(h.keys))
	for i, k := range h.keys {
		list[i] = k.credential
	}
	return list
}

// create asks for a new passkey. An authenticator that has one of the account makes no second.
func (r *relyingParty) create(h holder) (options json.RawMessage, asked *ceremony, err error) {
	var have []protocol.CredentialDescriptor
	for _, k := range h.keys {
		have = append(have, k.credential.Descriptor())
	}
	creation, asked, err := r.web.BeginRegistration(h, webauthn.WithExclusions(have))
	if err != nil {
		return nil, nil, fmt.Errorf("ask for a passkey: %w", err)
	}
	options, err = json.Marshal(creation.Response)
	return options, asked, err
}

// created returns the passkey that an authenticator made. Its error is why it is none.
func (r *relyingParty) created(h holder, asked ceremony, answer field.Document) (k passkey, err error) {
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(answer))
	if err != nil {
		return k, described(err)
	}
	credential, err := r.web.CreateCredential(h, asked, parsed)
	if err != nil {
		return k, described(err)
	}
	k = passkey{id: uuid.Must(uuid.NewV7()), rpID: r.web.Config.RPID, credential: *credential}
	if k.aaguid, err = uuid.FromBytes(credential.Authenticator.AAGUID); err != nil {
		return k, err
	}
	return k, nil
}

// request asks for a passkey of a person, or of anybody (nil).
func (r *relyingParty) request(h *holder, verification protocol.UserVerificationRequirement) (options json.RawMessage, asked *ceremony, err error) {
	var assertion *protocol.CredentialAssertion
	if h == nil {
		assertion, asked, err = r.web.BeginDiscoverableLogin(webauthn.WithUserVerification(verification))
	} else {
		assertion, asked, err = r.web.BeginLogin(*h, webauthn.WithUserVerification(verification))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("ask for a passkey: %w", err)
	}
	options, err = json.Marshal(assertion.Response)
	return options, asked, err
}

// assertion is a client's answer to request. It proves nothing before used verifies it.
type assertion struct {
	parsed *protocol.ParsedCredentialAssertionData
	fault  error // why it is none
}

func parseAssertion(answer field.Document) *assertion {
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(answer))
	return &assertion{parsed, described(err)}
}

// methods are what the assertion proves if it is right: its signature covers the flag.
func (a *assertion) methods() methods {
	if a.fault == nil && a.parsed.Response.AuthenticatorData.Flags.HasUserVerified() {
		return byVerifiedPasskey
	}
	return byPasskey
}

// copiedError is why a passkey is refused that may exist twice.
type copiedError struct{ id uuid.UUID }

func (e copiedError) Error() string {
	return "the counter of the passkey " + e.id.String() + " went back: it may have been copied"
}

// used returns the passkey that made an assertion, as it is after that. Its error is why the
// assertion is refused.
func (r *relyingParty) used(h holder, asked ceremony, a *assertion) (k passkey, err error) {
	if a.fault != nil {
		return k, a.fault
	}
	var credential *webauthn.Credential
	if len(asked.UserID) == 0 {
		_, credential, err = r.web.ValidatePasskeyLogin(func([]byte, []byte) (webauthn.User, error) { return h, nil }, asked, a.parsed)
	} else {
		credential, err = r.web.ValidateLogin(h, asked, a.parsed)
	}
	if err != nil {
		return k, described(err)
	}
	i := slices.IndexFunc(h.keys, func(k passkey) bool { return bytes.Equal(k.credential.ID, credential.ID) })
	if k = h.keys[i]; credential.Authenticator.CloneWarning { // mutant: passkey-counter
		return k, copiedError{k.id}
	}
	k.credential = *credential
	return k, nil
}

// described adds the library's explanation for developers to its error.
func described(err error) error {
	var e *protocol.Error
	if errors.As(err, &e) && e.DevInfo != "" {
		return fmt.Errorf("%w: %s", err, e.DevInfo)
	}
	return err
}
