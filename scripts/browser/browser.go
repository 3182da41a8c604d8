package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a page may take to show what is expected.
const patience = 15 * time.Second

// world is what all people of a story share: the service, the browser and the checks.
type world struct {
	base, axe, shots string
	browser          context.Context
	script           bool                            // whether JavaScript is on
	command          func(arguments ...string) error // of the service

	mu      sync.Mutex
	checked map[string]bool
	faults  []string
}

func (w *world) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	for _, known := range w.faults {
		if known == text {
			return
		}
	}
	w.faults = append(w.faults, text)
	fmt.Println("  FAULT", text)
}

// person is a browser of their own: with their own cookies.
type person struct {
	*world
	name string
	tab  context.Context
	at   string // what they are doing, for messages

	mayLeave bool // to log in elsewhere
}

// person opens a browser for a person.
func (w *world) person(name string) (*person, error) {
	tab, _ := chromedp.NewContext(w.browser, chromedp.WithNewBrowserContext())
	p := &person{world: w, name: name, tab: tab}
	if err := chromedp.Do(tab, chromedp.EmulateViewport(1200, 800)); err != nil {
		return nil, err
	}
	if err := chromedp.Listen(tab, p.heed); err != nil {
		return nil, err
	}
	if _, err := chromedp.Call(tab, log.Enable, cdp.Empty{}); err != nil {
		return nil, err
	}
	if _, err := chromedp.Call(tab, network.Enable, network.EnableParams{}); err != nil {
		return nil, err
	}
	if !w.script {
		if _, err := chromedp.Call(tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// heed notes what no page may do.
func (p *person) heed(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.fault("%s: an exception: %s", p.at, e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		refused := strings.Contains(e.Entry.Text, "the server responded with a status of 4") // a form that is refused is no fault
		if !refused && (e.Entry.Level == "error" || strings.Contains(e.Entry.Text, "Content Security Policy")) {
			p.fault("%s: %s %s", p.at, e.Entry.Text, e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil && u.Scheme != "data" && u.Scheme != "about" && "http://"+u.Host != p.base && !(p.mayLeave && "http://"+u.Host == elsewhere) {
			p.fault("%s: a request to %s", p.at, e.Request.URL)
		}
	}
}

// open goes to a path.
func (p *person) open(path string) error {
	p.at = p.name + " opens " + path
	ctx, cancel := context.WithTimeout(p.tab, patience)
	defer cancel()
	if strings.HasPrefix(path, "/") {
		path = p.base + path
	}
	// A page that differs only in its fragment is not loaded again.
	return chromedp.Do(ctx, chromedp.Navigate("about:blank"), chromedp.Navigate(path))
}

// find is a script that finds what can be clicked or filled, in the dialog that is open if
// there is one. The page's own helper can't be used: scripts may be off.
const find = `(() => {
  const scope = document.querySelector("dialog[open]") ?? document;
  const seen = (e) => { const r = e.getBoundingClientRect(); return r.width > 0 && r.height > 0 && !e.disabled && getComputedStyle(e).visibility !== "hidden"; };
  const text = (e) => (e.innerText ?? "").replace(/\s+/g, " ").trim();
  const all = (s) => [...scope.querySelectorAll(s)].filter(seen);
  %s
})()`

// try repeats a script until it gives something, or the patience ends.
func try[T any](p *person, script string) (result T, err error) {
	ctx, cancel := context.WithTimeout(p.tab, patience)
	defer cancel()
	for {
		var found *T
		found, err = chromedp.Run(ctx, chromedp.Evaluate[*T](fmt.Sprintf(find, script)))
		if err == nil && found != nil {
			return *found, nil
		}
		select {
		case <-ctx.Done():
			return result, errors.New("not there")
		case <-time.After(30 * time.Millisecond): // also while a page is being loaded
		}
	}
}

type point struct{ X, Y float64 }

// press clicks the first button or link with the text.
func (p *person) press(text string) error { return p.click("button, a", text) }

// menu opens the menu with the text.
func (p *person) menu(text string) error { return p.click("summary", text) }

func (p *person) click(selector, text string) error {
	p.at = p.name + " presses " + text
	at, err := try[point](p, fmt.Sprintf(`
  const e = all(%[2]q).find((e) => text(e) === %[1]q) ?? all(%[2]q).find((e) => text(e).startsWith(%[1]q));
  if (!e) return null;
  e.scrollIntoView({ block: "center", behavior: "instant" });
  const r = e.getBoundingClientRect();
  return { X: r.x + r.width / 2, Y: r.y + r.height / 2 };`, text, selector))
	if err != nil {
		return p.failed(fmt.Errorf("%q is not there to be pressed", text))
	}
	ctx, cancel := context.WithTimeout(p.tab, patience)
	defer cancel()
	return chromedp.Do(ctx, chromedp.MouseClickXY(at.X, at.Y))
}

// fill types into the field with the label, or chooses its option.
func (p *person) fill(label, value string) error {
	p.at = p.name + " fills " + label
	kind, err := try[string](p, fmt.Sprintf(`
  const label = all("label").find((e) => text(e) === %[1]q || text(e).startsWith(%[1]q));
  const e = label?.control;
  if (!e || !seen(e)) return null;
  e.scrollIntoView({ block: "center", behavior: "instant" });
  if (e.tagName === "SELECT") {
    const option = [...e.options].find((o) => o.text === %[2]q);
    if (!option) return null;
    e.value = option.value;
    return "chosen";
  }
  e.focus();
  e.select?.();
  return "text";`, label, value))
	if err != nil {
		return p.failed(fmt.Errorf("%q is not there to be filled", label))
	}
	if kind == "chosen" {
		return nil
	}
	ctx, cancel := context.WithTimeout(p.tab, patience)
	defer cancel()
	return chromedp.Do(ctx, chromedp.KeyEvent(value))
}

// sees waits until the page says the text.
func (p *person) sees(texts ...string) error {
	for _, text := range texts {
		if _, err := try[bool](p, fmt.Sprintf(`return document.body && text(document.body).includes(%q) || null;`, text)); err != nil {
			return p.failed(fmt.Errorf("%q is not on the page", text))
		}
	}
	return nil
}

// lacks checks that the page, which was seen before, does not say the text.
func (p *person) lacks(text string) error {
	said, err := try[bool](p, fmt.Sprintf(`return document.body && text(document.body).includes(%q);`, text)) // a page that is being loaded has no body yet
	if err != nil || said {
		return p.failed(fmt.Errorf("%q is on the page (%v)", text, err))
	}
	return nil
}

// failed adds what the page shows to an error.
func (p *person) failed(err error) error {
	_ = p.shoot("failed")
	place, _ := chromedp.Run(p.tab, chromedp.Location())
	text, _ := chromedp.Run(p.tab, chromedp.Evaluate[string](`document.body?.innerText ?? ""`))
	return fmt.Errorf("%s: %w, at %s:\n%s", p.at, err, place, text)
}

func (p *person) shoot(name string) error {
	image, err := chromedp.Run(p.tab, chromedp.CaptureScreenshot())
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(p.shots, name+".png"), image, 0o644)
}

// looks are those in which every page is checked.
var looks = []struct {
	name, scheme  string
	width, height int64
}{{"light", "light", 1200, 800}, {"dark", "dark", 1200, 800}, {"phone", "light", 390, 800}}

// check looks at the page: axe-core finds nothing in any look, and it is no wider than the
// screen. Each page is checked once.
func (p *person) check(name string) error {
	if !p.script || p.checked[name] {
		return nil
	}
	p.checked[name] = true
	source, err := os.ReadFile(p.axe)
	if err != nil {
		return err
	}
	for _, look := range looks {
		p.at = name + " in " + look.name
		features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}}
		if _, err := chromedp.Call(p.tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features}); err != nil {
			return err
		}
		if err := chromedp.Do(p.tab, chromedp.EmulateViewport(look.width, look.height)); err != nil {
			return err
		}
		found, err := chromedp.Run(p.tab, chromedp.Evaluate[[]string](string(source)+`;
(async () => {
  const found = (await axe.run({ resultTypes: ["violations"] })).violations.map((v) => v.id + ": " + v.nodes.map((n) => n.html).join(" "));
  if (document.documentElement.scrollWidth > innerWidth) found.push("wider than the screen: " + document.documentElement.scrollWidth);
  return found;
})()`, chromedp.EvalAwaitPromise))
		if err != nil {
			return fmt.Errorf("%s: %w", p.at, err)
		}
		for _, violation := range found {
			p.fault("%s: %s", p.at, violation)
		}
		if err := p.shoot(name + "-" + look.name); err != nil {
			return err
		}
	}
	return chromedp.Do(p.tab, chromedp.EmulateViewport(1200, 800))
}

func (p *person) location() (string, error) { return chromedp.Run(p.tab, chromedp.Location()) }

// back goes back in the browser's history.
func (p *person) back() error {
	p.at = p.name + " goes back"
	ctx, cancel := context.WithTimeout(p.tab, patience)
	defer cancel()
	return chromedp.Do(ctx, chromedp.NavigateBack())
}

// backToForm goes back to the answer to a form, which the browser may not have any more.
func (p *person) backToForm() error {
	if err := p.back(); err != nil && !strings.Contains(err.Error(), "ERR_CACHE_MISS") {
		return err
	}
	return nil
}

// reload loads the page again, with the form that it answers if there is one.
func (p *person) reload() error {
	p.at = p.name + " reloads"
	ctx, cancel := context.WithTimeout(p.tab, patience)
	defer cancel()
	return chromedp.Do(ctx, chromedp.Reload())
}

// ticking presses the box with the label.
func (p *person) ticking(label string) func() error {
	return func() error { return p.click("label.check", label) }
}

// hiding checks that the page, as it comes to rest, has a secret nowhere.
func (p *person) hiding(secret string) func() error {
	return func() error {
		p.at += ", and looks for what was shown once"
		time.Sleep(300 * time.Millisecond)
		has, err := chromedp.Run(p.tab, chromedp.Evaluate[bool](fmt.Sprintf(`document.documentElement.outerHTML.includes(%[1]q) || [...document.querySelectorAll("input")].some((e) => e.value === %[1]q)`, secret)))
		if err != nil || has {
			return p.failed(fmt.Errorf("the secret is there (%v)", err))
		}
		return nil
	}
}

// search presses the button of a list's form, which is there only without JavaScript.
func (p *person) search(text string) func() error {
	return func() error {
		if p.script {
			_, err := chromedp.Run(p.tab, chromedp.Evaluate[bool](`document.querySelector("form[data-live]").dispatchEvent(new Event("input"))`))
			return err
		}
		return p.press(text)
	}
}

// fillingLast fills the last field with the label, where a page has two forms.
func (p *person) fillingLast(label, value string) func() error {
	return func() error {
		p.at = p.name + " fills the last " + label
		if _, err := try[bool](p, fmt.Sprintf(`
  const e = all("label").filter((e) => text(e) === %q).at(-1)?.control;
  if (!e) return null;
  e.focus();
  return true;`, label)); err != nil {
			return p.failed(err)
		}
		return chromedp.Do(p.tab, chromedp.KeyEvent(value))
	}
}

// mostBytes is what a first visit may transfer: the page, the style sheet, the script and the
// logo, compressed.
const mostBytes = 15 << 10

// firstVisit measures how soon a page can be used in a browser that has nothing of it yet, with
// the processor slowed four times. The size is a limit; the time is only printed, because the
// machine is shared.
func (w *world) firstVisit() error {
	p, err := w.person("Ada")
	if err != nil {
		return err
	}
	if err := steps(p.logIn(secret)...); err != nil {
		return err
	}
	if err := steps(p.opening("/console/people"), p.seeing("Charles")); err != nil {
		return err
	}
	if _, err := chromedp.Call(p.tab, network.ClearBrowserCache, cdp.Empty{}); err != nil {
		return err
	}
	if _, err := chromedp.Call(p.tab, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: 4}); err != nil {
		return err
	}
	if err := steps(p.opening("/console/people"), p.seeing("Charles")); err != nil {
		return err
	}
	type visit struct{ Bytes, Interactive float64 }
	v, err := chromedp.Run(p.tab, chromedp.Evaluate[visit](`(() => {
  const [page] = performance.getEntriesByType("navigation");
  const all = [page, ...performance.getEntriesByType("resource")];
  return { Bytes: all.reduce((sum, e) => sum + e.encodedBodySize, 0), Interactive: page.domContentLoadedEventEnd - page.responseStart };
})()`))
	if err != nil {
		return err
	}
	fmt.Printf("a first visit: %.1f kB, interactive %.0f ms after the answer, with the processor slowed four times\n", v.Bytes/1024, v.Interactive)
	if v.Bytes > mostBytes {
		return fmt.Errorf("a first visit transfers %.0f bytes", v.Bytes)
	}
	return nil
}
