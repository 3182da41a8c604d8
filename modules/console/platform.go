package console

import (
	"html/template"
	"net/http"

	"guildhall/platform/web"
)

// platformPage returns a page of the part for platform administrators.
func platformPage(r *web.Request, section, title string) web.Page {
	area := &web.Area{Name: r.Text("platform")}
	for _, s := range []string{"people", "organizations", "trail", "administrators", "apis", "signing-keys", "health", "configuration"} {
		area.Items = append(area.Items, web.Item{Section: s, Path: "/console/" + s})
	}
	return web.Page{Title: title, Area: area, Section: section}
}

// operators lets the API refuse everyone but platform administrators. Some of what the pages
// call is also for the person concerned, who has pages of their own.
func operators(page func(*web.Request) error) func(*web.Request) error {
	return func(r *web.Request) error {
		me, err := r.Me()
		if err == nil && !me.PlatformAdmin { // mutant: console-operators
			err = r.Call(http.MethodGet, "/platform/administrators", nil, nil)
		}
		if err != nil {
			return err
		}
		return page(r)
	}
}

// platformPages registers the pages for platform administrators.
func (m *Module) platformPages(p *web.Pages) {
	show := func(path string, page func(*web.Request) error, operations ...string) {
		p.Private("GET /console/"+path, operators(page), append(operations, "listPlatformAdministrators")...)
	}
	form := func(path string, page func(*web.Request) error, operations ...string) {
		p.Form("/console/"+path, operators(page), append(operations, "listPlatformAdministrators")...)
	}
	show("people", m.people, "listUsers")
	form("people/new", m.createAccount, "createUser")
	show("people/{user}", m.account, "getUser", "listUserOrganizations", "listUserSuspensions")
	for _, a := range accountActs {
		form("people/{user}/"+a.name, m.actOnAccount(a), "getUser", "listUserSuspensions", a.operation)
	}
	show("people/{user}/sessions", m.sessions, "getUser", "listUserSessions")
	form("people/{user}/sessions/{session}/end", m.endSession, "getUser", "endUserSession")
	form("people/{user}/sessions/end", m.endSessions, "getUser", "endUserSessions")
	show("people/{user}/activity", m.activity, "getUser", "listUserAuditEvents")
	show("organizations", m.organizations, "listOrganizations")
	show("trail", m.trail, "listAuditEvents")
	show("administrators", m.administrators)
	show("apis", m.apis, "listApis")
	form("apis/new", m.registerAPI, "registerApi")
	show("apis/{api}", m.api, "getApi", "listKeysOfApi")
	form("apis/{api}/change", m.changeAPI, "getApi", "updateApi")
	form("apis/{api}/remove", m.removeAPI, "getApi", "removeApi")
	form("apis/{api}/keys/new", m.makeKeyOfAPI, "getApi", "createKeyOfApi")
	form("apis/{api}/key/{key}/revoke", m.revokeKeyOfAPI, "getApi", "listKeysOfApi", "revokeKeyOfApi")
	show("signing-keys", m.signingKeys, "getSigningKeys")
	show("health", m.health, "getPlatformStatus")
	show("configuration", m.configuration, "getPlatformChecks")
}

// organizationList is the page of all organizations.
type organizationList struct {
	List          web.List
	Organizations []place
	Standings     template.HTML // to choose from
}

func (m *Module) organizations(r *web.Request) (err error) {
	var data organizationList
	if data.List, err = r.List("/organizations?scope=all", &data.Organizations, "q", "standing", "include_archived"); err != nil {
		return err
	}
	data.Standings = r.Choices(data.List.Query.Get("standing"), "every_standing", "standing_", "good", "suspended", "archived")
	page := platformPage(r, "organizations", "organizations")
	page.Data = data
	return r.Show("organizations", page)
}

// trail shows what happened anywhere.
func (m *Module) trail(r *web.Request) (err error) {
	page := platformPage(r, "trail", "trail")
	if page.Data, err = r.Trail("/audit-events", "actor_user_id", "user_id", "organization_id"); err != nil {
		return err
	}
	return r.Show("trail", page)
}
