// Command providers tests log-in with another service against an independent OpenID provider: the
// example server of zitadel/oidc, in this process, and the program as its binary. With the
// arguments serve, an address to listen at and the URL of the service, it only runs the provider,
// for the test of the pages in a browser.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
)

const backTo = "https://app.example.com/callback"

func main() {
	log.SetFlags(0)
	if os.Args[1] == "serve" {
		l, err := net.Listen("tcp", os.Args[2])
		check(err)
		_, provider := provide(l, os.Args[3])
		log.Fatal(http.Serve(l, provider))
	}
	work, err := os.MkdirTemp("", "providers")
	check(err)
	code := 0
	func() {
		defer func() {
			if r := recover(); r != nil {
				log.Print(r)
				code = 1
			}
		}()
		test(os.Args[1], work)
	}()
	if code != 0 {
		text, _ := os.ReadFile(filepath.Join(work, "service.log"))
		log.Printf("%s", text)
	}
	_ = os.RemoveAll(work)
	os.Exit(code)
}

func test(binary, work string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	port := freePort()
	base := fmt.Sprintf("http://localhost:%d", port)
	issuer, provider := provide(l, base)
	go func() { log.Print(http.Serve(l, provider)) }()

	providers, err := json.Marshal([]map[string]string{{"id": "corp", "name": "Corp", "issuer": issuer, "client_id": "web", "client_secret": "secret"}})
	check(err)
	ctx, stop := context.WithCancel(context.Background())
	service := exec.CommandContext(ctx, binary)
	service.Dir = work
	service.Env = append(os.Environ(), fmt.Sprintf("PORT=%d", port), "PROVIDERS="+string(providers), "AUTH_REDIRECT_URIS="+backTo)
	out, err := os.Create(filepath.Join(work, "service.log"))
	check(err)
	service.Stdout, service.Stderr = out, out
	check(service.Start())
	defer func() { stop(); _ = service.Wait() }()
	api := &client{base: base + "/api/v1"}
	for i := 0; ; i++ {
		if answer, err := http.Get(base + "/readyz"); err == nil && answer.StatusCode == http.StatusOK {
			break
		}
		must(i < 100, "the service is ready")
		time.Sleep(100 * time.Millisecond)
	}

	// By the API: a new account, and the same one again.
	made := api.logIn(200, "test-user2")
	me := api.call("GET", "/auth/me", text(made, "access_token"), nil, 200)
	must(text(me, "email") == "test-user2@zitadel.ch" && me["email_verified"] == true && text(me, "name") == "Test User2", "the provider says who the person is")
	again := api.logIn(200, "test-user2")
	must(text(again, "user_id") == text(made, "user_id"), "the same person has the same account")
	other := api.logIn(200, "test-user@127.0.0.1")
	must(text(other, "user_id") != text(made, "user_id"), "another person has another one")
	back := api.visit(api.ask(), "test-user2")
	api.call("POST", "/auth/token", "", back, 200)
	refused := api.call("POST", "/auth/token", "", back, 401)
	must(text(refused, "code") == "invalid_challenge", "what came back counts once")
	foreign := api.visit(api.ask(), "test-user2")
	foreign["challenge_token"] = text(api.ask(), "challenge_token")
	api.call("POST", "/auth/token", "", foreign, 401)
	api.call("DELETE", "/auth/identities/"+api.identity(text(made, "access_token")), text(made, "access_token"), nil, 409)

	pages(base)
	fmt.Println("an independent OpenID provider: log-in by the API and by the pages, replay, foreign answers, the last way in")
}

// provide returns a provider for the service at a URL. It has a client that is public, too, for
// answers that it posts as a form: that client needs no secret, and Apple's is signed.
func provide(l net.Listener, base string) (issuer string, provider http.Handler) {
	issuer = "http://" + l.Addr().String() + "/"
	storage.RegisterClients(
		storage.WebClient("web", "secret", backTo, base+"/account/callback"),
		storage.NativeClient("native", base+"/api/v1/auth/providers/apple/callback"),
	)
	return issuer, exampleop.SetupServer(issuer, storage.NewStorage(storage.NewUserStore(issuer)), slog.New(slog.DiscardHandler), false)
}

// client calls the API.
type client struct{ base string }

func (c *client) call(method, path, token string, body any, status int) map[string]any {
	var payload io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		check(err)
		payload = bytes.NewReader(encoded)
	}
	r, err := http.NewRequest(method, c.base+path, payload)
	check(err)
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	check(err)
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	check(err)
	must(answer.StatusCode == status, fmt.Sprintf("%s %s answers %d: %d %s", method, path, status, answer.StatusCode, content))
	var v map[string]any
	if len(content) > 0 {
		check(json.Unmarshal(content, &v))
	}
	return v
}

func (c *client) ask() map[string]any {
	return c.call("POST", "/auth/challenges", "", map[string]any{"purpose": "log_in", "method": "provider", "provider": "corp", "redirect_uri": backTo}, 201)
}

func (c *client) logIn(status int, username string) map[string]any {
	return c.call("POST", "/auth/token", "", c.visit(c.ask(), username), status)
}

// visit logs in at the provider, and returns what answers the challenge.
func (c *client) visit(asked map[string]any, username string) map[string]any {
	jar, err := cookiejar.New(nil)
	check(err)
	back := leave(&http.Client{Jar: jar}, text(asked, "authorization_url"), username, "app.example.com")
	q := back.Query()
	proof := map[string]any{"grant_type": "challenge", "challenge_token": asked["challenge_token"], "authorization_code": q.Get("code"), "state": q.Get("state")}
	if iss := q.Get("iss"); iss != "" {
		proof["iss"] = iss
	}
	return proof
}

func (c *client) identity(token string) string {
	listed := c.call("GET", "/auth/identities", token, nil, 200)
	return text(listed["identities"].([]any)[0].(map[string]any), "id")
}

var authRequest = regexp.MustCompile(`name="id" value="([^"]+)"`)

// leave follows a browser to the form of the provider, fills it in, and returns the URL of the
// host to which that sends the browser back.
func leave(browser *http.Client, to, username, host string) *url.URL {
	var back *url.URL
	browser.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host == host {
			back = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}
	shown, err := browser.Get(to)
	check(err)
	content, err := io.ReadAll(shown.Body)
	check(err)
	found := authRequest.FindSubmatch(content)
	must(found != nil, "the provider shows its form: "+string(content))
	at := shown.Request.URL
	_, err = browser.PostForm(at.Scheme+"://"+at.Host+"/login/username", url.Values{"id": {string(found[1])}, "username": {username}, "password": {"verysecure"}})
	check(err)
	must(back != nil, "the provider sends the browser back")
	browser.CheckRedirect = nil
	return back
}

func freePort() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func text(v map[string]any, name string) string { s, _ := v[name].(string); return s }

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func must(holds bool, claim string) {
	if !holds {
		panic("not so: " + claim)
	}
}
