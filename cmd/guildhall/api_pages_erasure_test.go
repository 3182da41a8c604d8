package main

import (
	"encoding/json"
	"testing"
	"time"

	"net/url"
)

func TestPagesEraseAnAccount(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada, grace := s.operator("Root"), s.person("Ada"), s.verifiedPerson("Grace")
		grace.joins(ada, false)
		b := s.browserOf(ada)
		b.get("/account/close").says(200, `href="/account/erase"`)
		b.post("/account/erase", "typed", ada.email).says(409, "transfer its ownership first")
		b = s.browserOf(grace)
		b.get("/account/data").says(200, "Download your data", `href="/account/erase"`)
		file := b.post("/account/data")
		var exported struct {
			UserID string `json:"user_id"`
		}
		if err := json.Unmarshal([]byte(file.body), &exported); err != nil || exported.UserID != grace.id || file.header.Get("Content-Disposition") == "" {
			t.Errorf("the download: %v %v %s", err, file.header, file.body)
		}
		s.later(time.Hour)
		for path, typed := range map[string][]string{"/account/data": {}, "/account/erase": {"typed", grace.email}} {
			b.post(path, typed...).leads("/account/confirm?next=" + url.QueryEscape(path))
		}
		b.post("/account/confirm", "next", "/account/erase", "password", password).leads("/account/erase")
		b.get("/account/erase").says(200, grace.email, "After 14 days")
		b.post("/account/erase", "typed", "x").says(422, "Type it exactly")
		b.post("/account/erase", "typed", grace.email).leads("/account/log-in?done=erasure")
		b.get("/account/log-in?done=erasure").says(200, "will be erased")

		c := s.browserOf(root.login())
		person := "/console/people/" + grace.id
		c.get(person).says(200, "Will be erased", person+"/keep").lacks(person+"/erase", person+"/reopen")
		c.post(person + "/keep").leads(person + "?done=keep")
		c.get(person+"?done=keep").says(200, "will not be erased", person+"/erase").lacks(person + "/keep")
		c.post(person+"/erase", "typed", "x").says(422)
		c.post(person+"/erase", "typed", grace.email).leads(person + "?done=erase")
		c.get(person+"?done=erase").says(200, "will be erased", person+"/keep")
		s.later(erasureDelay + time.Hour)
		s.eraseDue()
		c = s.browserOf(root.login())
		c.get(person).says(200, "Erased", "@erased.invalid").lacks(person+"/keep", person+"/reopen", person+"/erase", grace.email)
		c.get("/console/people").says(200, "Erased")
		c.get(person+"/activity").says(200, "Erased was erased")
	}, withPages)
}
