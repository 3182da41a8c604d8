package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// Fields of the page on the way to a provider.
var onward = regexp.MustCompile(`^0; url=(.+)$`)

// pages logs in with the pages of accounts, as a browser without a script does, and links nothing
// that another browser began.
func pages(base string) {
	jar, err := cookiejar.New(nil)
	check(err)
	browser := &http.Client{Jar: jar}
	shown := read(browser.Get(base + "/account/log-in"))
	must(strings.Contains(shown, "Continue with Corp"), "the log-in offers the provider: "+shown)
	here, err := url.Parse(base)
	check(err)
	begin := func(browser *http.Client) string {
		answer, err := browser.PostForm(base+"/account/log-in/provider", url.Values{"provider": {"corp"}, "next": {"/account/identities"}})
		check(err)
		defer answer.Body.Close()
		found := onward.FindStringSubmatch(answer.Header.Get("Refresh"))
		must(found != nil, "a page sends the browser on")
		return found[1]
	}
	back := leave(browser, begin(browser), "test-user2", here.Host)
	stranger := &http.Client{Jar: must1(cookiejar.New(nil))}
	refused := read(stranger.Get(back.String()))
	must(strings.Contains(refused, "This browser did not ask"), "another browser can't come back: "+refused)
	arrived := read(browser.Get(back.String()))
	must(strings.Contains(arrived, "test-user2@zitadel.ch") && strings.Contains(arrived, "Unlink"), "the person is logged in: "+arrived)
}

func read(answer *http.Response, err error) string {
	check(err)
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	check(err)
	return string(content)
}

func must1[T any](v T, err error) T {
	check(err)
	return v
}
