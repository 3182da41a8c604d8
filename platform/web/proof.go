package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// This file leads people to prove who they are, where the API asks for it: again, by a second
// factor, or by one that they have to set up first.

// Codes of these refusals.
const (
	stepUpRequired = "step_up_required"
	factorRequired = "mfa_enrolment_required"
)

// Confirmation is where a person proves again who they are, and then goes on to next.
func Confirmation(next string) string { return "/account/confirm?next=" + url.QueryEscape(next) }

// SetUp is where a person sets up a second factor, and then goes on to next.
func SetUp(next string) string { return "/account/factors/new?next=" + url.QueryEscape(next) }

// Factor is a second factor of a person.
type Factor struct {
	ID, Kind, Name string
	Created        time.Time  `json:"created_at"`
	Used           *time.Time `json:"last_used_at"`
	BackedUp       *bool      `json:"backed_up"` // of a passkey
}

// IsPasskey reports whether the factor is one, and not an authenticator app.
func (f Factor) IsPasskey() bool { return f.Kind == "passkey" }

// OnOneDevice reports whether the factor is a passkey of which there is no copy.
func (f Factor) OnOneDevice() bool { return f.BackedUp != nil && !*f.BackedUp }

// Factors are all of a person.
type Factors struct {
	Factors   []Factor
	CodesLeft int `json:"recovery_codes_left"`
	// RecoversAt is when a log-in without them removes them all, because somebody asked for it.
	RecoversAt *time.Time `json:"recovers_at"`
}

// Factors returns the second factors of the person who is logged in. The page declares
// listFactors.
func (r *Request) Factors() (f Factors, err error) {
	return f, r.Call(http.MethodGet, "/auth/factors", nil, &f)
}

// longestReturn is how long the query may be that brings back what was typed.
const longestReturn = 1500

// backTo returns the page of a form that was refused, with what a person typed there, as far as
// an address may have it: no password, and no long text.
func (r *Request) backTo(f Form) string {
	typed := url.Values{}
	for _, field := range f.Fields {
		if field.returns() && r.Form.Get(field.Name) != "" {
			typed[field.Name] = r.Form[field.Name]
		}
	}
	if query := typed.Encode(); query != "" && len(query) <= longestReturn {
		return r.URL.Path + "?" + query
	}
	return r.URL.Path
}

// restore fills in what backTo kept. A link from elsewhere fills in nothing.
func (r *Request) restore(f Form) {
	if !r.fromHere() { // mutant: foreign-typed
		return
	}
	query := r.URL.Query()
	for i := range f.Fields {
		field := &f.Fields[i]
		values, has := query[field.Name]
		if !has || !field.returns() {
			continue
		}
		field.Value = values[0]
		for j := range field.Options {
			field.Options[j].Chosen = slices.Contains(values, field.Options[j].Value)
		}
	}
}

// returns reports whether an address may have the value of the field.
func (f Field) returns() bool {
	return f.Returns || !slices.Contains([]string{"hidden", "password", "textarea"}, f.Type)
}

// fromHere reports whether a page of ours led to this one.
func (r *Request) fromHere() bool {
	from := r.Header.Get("Sec-Fetch-Site")
	return from == "" || from == "same-origin"
}

// proofWanted says why a page is refused until the person proves more, and where to do it.
type proofWanted struct {
	Why  string
	To   string // the path; empty where there is no such page
	Text string // of the link
}

// askForProof answers a request that was refused until the person proves more.
func (r *Request) askForProof(p *Problem) error {
	next := r.URL.RequestURI()
	switch {
	case p.next != "":
		next = p.next
	case r.Method == http.MethodPost:
		next = r.URL.Path // without the values of the form
	}
	if p.Code == stepUpRequired && r.Method == http.MethodPost {
		return r.Redirect(Confirmation(next))
	}
	memberships, err := r.Memberships()
	if err != nil {
		return err
	}
	page, wanted := Page{Title: "factor_needed", Area: &Area{}}, proofWanted{Why: p.Detail}
	of := slices.IndexFunc(memberships, func(m Membership) bool { return m.ID == r.PathValue("organization") && m.Standing == p.Code })
	switch {
	case p.Code == stepUpRequired:
		page.Title, wanted.To, wanted.Text = "confirm_needed", Confirmation(next), r.Text("to_confirm")
	case r.site.HasAccount():
		wanted.To, wanted.Text = SetUp(next), r.Text("to_set_up")
	}
	if of >= 0 {
		page.Area.Name = memberships[of].Name
		wanted.Why = r.Text(page.Title+"_there", page.Area.Name)
	}
	page.Data, r.status = wanted, p.Status
	return r.Show("proof", page)
}

// GoingOn says where a person goes on after the proof that an error asks for, from a form whose
// page has no address of its own. It returns false if the error asks for none.
func GoingOn(err error, next string) bool {
	p := proofAsked(err)
	if p != nil {
		p.next = next
	}
	return p != nil
}

// proofAsked returns the refusal, if an error is one until the person proves more.
func proofAsked(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) && p.asksForProof() {
		return p
	}
	return nil
}
