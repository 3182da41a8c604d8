package console

import (
	"encoding/json"
	"strconv"

	"guildhall/platform/web"
)

func (m *Module) audit(r *web.Request) error {
	o, err := organization(r)
	if err != nil {
		return err
	}
	page := o.page("audit", "audit")
	if page.Data, err = r.Trail(o.api("/audit-events"), "actor_user_id"); err != nil {
		return err
	}
	return r.Show("audit", page)
}

// number is what was typed into a field for a number; the API says what is wrong with other
// text.
func number(text string) any {
	if n, err := strconv.Atoi(text); err == nil {
		return json.Number(strconv.Itoa(n))
	}
	return text
}
