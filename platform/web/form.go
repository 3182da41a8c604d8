package web

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"
)

// Form is an act with a page of its own: what it does, what it asks for, and the button.
type Form struct {
	Intro  string // texts
	Button string
	Danger bool   // it is hard to undo
	Match  string // what the person has to type first; empty if nothing
	Fields []Field
	Others []Other // more buttons
	Link   *Link   // to a page of the service, for who can't fill in the form
	Action string  // the path to send it to; empty for that of the page
	Back   string  // the path of the page to go back to
	Key    string  // of what the form creates
	Curl   string  // the same with curl, in development

	Passkey *Passkey // that answers the form
}

// Passkey is what a form asks an authenticator for: the browser's script sends the form with the
// answer in the field credential. Nothing else can.
type Passkey struct {
	Create  bool   // a new one
	Options string // JSON for navigator.credentials; empty for a form that only leads to such a question
	Start   bool   // at once: the person has just chosen a passkey
	Error   string
}

// Other is a button that sends the form, as it is, for something else: the value of a name.
type Other struct{ Name, Value, Label string }

// Field is a field of a form. Its type is that of an input (also hidden), or
// select, textarea, checkbox, or checks: several options of which each can be chosen.
type Field struct {
	Name, Label, Type, Value string
	Hint, Autocomplete       string
	Inputmode, Class, ID     string
	Location                 string // of the value in the operation's body, if it is not Name
	Optional, Autofocus      bool
	Returns                  bool // although it is hidden, it comes back after a step-up
	Options                  []Option
	Error                    string
}

// Option is a value to choose.
type Option struct {
	Value, Label string
	Hint         string // of checks
	Chosen       bool   // of checks
}

// Credential is the field with the answer of a passkey.
const Credential = "credential"

// typed is the field in which a person confirms what is hard to undo.
const typed = "typed"

// Act shows a form, and carries out what it is for when it arrives: act returns the path of
// the page to go on to. Of a refused form, everything typed is kept but passwords.
func (r *Request) Act(p Page, f Form, act func() (to string, err error)) error {
	if r.Method != http.MethodPost {
		return r.ShowForm(p, f, nil)
	}
	to, err := r.carryOut(f, act)
	if err != nil {
		return r.ShowForm(p, f, err)
	}
	return r.Redirect(to)
}

// ShowForm shows a form: a new one or, with an error, the one that was refused. Where the
// person has to confirm first that it is them, it leads there.
func (r *Request) ShowForm(p Page, f Form, err error) error {
	if err != nil && !isShown(err, &p.Problem) {
		return err
	}
	if p.Problem != nil && p.Problem.Code == stepUpRequired {
		return r.Redirect(Confirmation(r.backTo(f)))
	}
	if p.Problem != nil && p.Problem.Code == factorRequired {
		return err
	}
	if r.Method != http.MethodPost {
		r.restore(f)
	}
	if f.Match != "" {
		f.Fields = append(f.Fields, Field{Name: typed, Type: "text", Label: r.Text("type_to_confirm", f.Match), Autocomplete: "off"})
	}
	for i := range f.Fields {
		field := &f.Fields[i]
		if err != nil && field.Type != "password" {
			field.Value = r.Form.Get(field.Name)
			for j := range field.Options {
				field.Options[j].Chosen = slices.Contains(r.Form[field.Name], field.Options[j].Value)
			}
		}
		if field.Location == "" {
			field.Location = field.Name
		}
		if field.Type != "hidden" {
			field.Error = p.Problem.Field(field.Location)
		}
	}
	if f.Passkey != nil && f.Passkey.Options != "" {
		f.Passkey.Error = p.Problem.Field(Credential)
	}
	if p.Problem != nil && !p.Problem.IsGeneral() && !f.showsProblem() {
		p.Problem.Errors = nil // the sentence of the whole says what no field can
	}
	f.Key = uuid.NewString()
	p.Data = f
	return r.Show("form", p)
}

func (r *Request) carryOut(f Form, act func() (string, error)) (string, error) {
	if f.Match != "" && !strings.EqualFold(asShown(r.Form.Get(typed)), asShown(f.Match)) { // mutant: typed-confirmation
		return "", &Problem{Status: http.StatusUnprocessableEntity, Errors: []FieldError{{"body." + typed, r.Text("type_exactly", f.Match)}}}
	}
	return act()
}

// asShown returns a text as a browser shows it, with single spaces, in the form of names.
func asShown(text string) string { return norm.NFC.String(strings.Join(strings.Fields(text), " ")) }

// showsProblem reports whether a field shows something of the problem.
func (f Form) showsProblem() bool {
	for _, field := range f.Fields {
		if field.Error != "" {
			return true
		}
	}
	return f.Passkey != nil && f.Passkey.Error != ""
}

// At puts a refusal with this code beside the field that it is about.
func At(err error, code, field string) error {
	var p *Problem
	if errors.As(err, &p) && p.Code == code {
		p.Errors = []FieldError{{"body." + field, p.Detail}}
	}
	return err
}
