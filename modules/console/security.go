package console

import (
	"net/http"
	"time"

	"guildhall/platform/web"
)

// factorPolicy says of whom an organization asks a second factor.
type factorPolicy struct {
	MFA           string
	From          *time.Time
	Now           string `json:"mfa_now"`                // what is in force
	WithoutFactor *int64 `json:"members_without_factor"` // for admins
}

// policies, from none.
var policies = []string{"off", "admins", "everyone"}

// securityPage shows the policy.
type securityPage struct {
	*place
	factorPolicy
	Later    bool // it begins at From
	NoFactor bool // the owner cannot change it without one
	SetUp    string
}

// policyOf returns the organization of the page and its policy.
func policyOf(r *web.Request) (*place, factorPolicy, error) {
	o, err := organization(r)
	if err != nil {
		return nil, factorPolicy{}, err
	}
	var p factorPolicy
	return o, p, r.Call(http.MethodGet, o.api("/security"), nil, &p)
}

func (m *Module) security(r *web.Request) error {
	o, p, err := policyOf(r)
	if err != nil {
		return err
	}
	data := securityPage{place: o, factorPolicy: p, Later: p.From != nil && p.From.After(r.Now())}
	if o.Owner {
		factors, err := r.Factors()
		if err != nil {
			return err
		}
		if data.NoFactor = len(factors.Factors) == 0; data.NoFactor && r.HasAccount() {
			data.SetUp = web.SetUp(o.Path("/security"))
		}
	}
	page := o.page("security", "security")
	page.Done, page.Data = r.Outcome("secured"), data
	return r.Show("security", page)
}

func (m *Module) secure(r *web.Request) error {
	o, p, err := policyOf(r)
	if err != nil {
		return err
	}
	whom := web.Field{Name: "mfa", Type: "select", Label: r.Text("asks_of"), Value: p.MFA}
	for _, policy := range policies {
		whom.Options = append(whom.Options, web.Option{Value: policy, Label: r.Text("policy_" + policy)})
	}
	from := web.Field{Name: "from", Type: "date", Label: r.Text("asks_from"), Hint: r.Text("asks_from_hint"), Optional: true}
	if p.From != nil && p.From.After(r.Now()) {
		from.Value = p.From.UTC().Format(time.DateOnly)
	}
	form := web.Form{Intro: r.Text("secure_explained"), Button: r.Text("save"), Back: o.Path("/security"), Fields: []web.Field{whom, from}, Curl: r.Curl(http.MethodPut, o.api("/security"), map[string]any{"mfa": "everyone"})}
	if p.WithoutFactor != nil {
		form.Intro += " " + r.Text("without_factor_now", *p.WithoutFactor)
	}
	return r.Act(o.page("security", "secure"), form, func() (string, error) {
		body := map[string]any{"mfa": r.Form.Get("mfa")}
		if day := r.Form.Get("from"); day != "" {
			body["from"] = day // what is no day, the API refuses
			if at, err := time.Parse(time.DateOnly, day); err == nil {
				body["from"] = at
			}
		}
		return o.Path("/security?done=secured"), r.Call(http.MethodPut, o.api("/security"), body, nil)
	})
}
