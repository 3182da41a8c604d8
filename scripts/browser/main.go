// The program browser drives the service's pages in Chromium.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
)

const port = "18521"

// elsewhere is an OpenID provider, at another site.
const elsewhere = "http://127.0.0.1:18522"

func main() {
	binary := flag.String("binary", "", "the service")
	axe := flag.String("axe", "", "the file axe.min.js")
	shots := flag.String("shots", "", "the directory for screenshots")
	provider := flag.String("provider", "", "the program of scripts/providers")
	only := flag.String("only", "", "the name of one story, instead of all")
	flag.Parse()
	if err := run(*binary, *axe, *shots, *provider, *only); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(binary, axe, shots, provider, only string) error {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath("chromium"))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	defer stop()
	other := exec.Command(provider, "serve", strings.TrimPrefix(elsewhere, "http://"), "http://localhost:"+port)
	if err := other.Start(); err != nil {
		return err
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	configured, err := configuredProviders()
	if err != nil {
		return err
	}
	for _, script := range []bool{true, false} {
		for _, s := range []struct {
			name    string
			tell    func(*world) error
			setting string
		}{
			{"the story", (*world).story, ""},
			{"passkeys", (*world).passkeys, fmt.Sprintf("STEP_UP_MAX_AGE_SECONDS=%.0f", proofLasts.Seconds())},
			{"providers", (*world).providers, configured},
		} {
			if only != "" && only != s.name {
				continue
			}
			start := time.Now()
			if err := once(allocator, binary, axe, shots, script, s.tell, s.setting); err != nil {
				return fmt.Errorf("%s, JavaScript %v: %w", s.name, script, err)
			}
			fmt.Printf("%s, JavaScript %v: %.1f s\n", s.name, script, time.Since(start).Seconds())
		}
	}
	return nil
}

// once tells a story with a new database and a new browser.
func once(allocator context.Context, binary, axe, shots string, script bool, tell func(*world) error, setting string) error {
	dir, stop, err := serve(binary, setting)
	if err != nil {
		return err
	}
	defer stop()
	browser, cancel := chromedp.NewContext(allocator)
	defer cancel()
	if err := chromedp.Do(browser); err != nil {
		return err
	}
	command := func(arguments ...string) error {
		c := exec.Command(binary, arguments...)
		c.Dir = dir
		return c.Run()
	}
	w := &world{command: command, base: "http://localhost:" + port, axe: axe, shots: shots, browser: browser, script: script, checked: map[string]bool{}}
	if err := tell(w); err != nil {
		return err
	}
	if len(w.faults) > 0 {
		return fmt.Errorf("%d faults", len(w.faults))
	}
	fmt.Printf("%d pages checked in %d looks\n", len(w.checked), len(looks))
	return nil
}

// serve starts the service, in an empty directory.
func serve(binary, setting string) (dir string, stop func(), err error) {
	dir, err = os.MkdirTemp("", "browser")
	if err != nil {
		return "", nil, err
	}
	output, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return "", nil, err
	}
	service := exec.Command(binary)
	service.Dir, service.Env = dir, append(os.Environ(), "PORT="+port, setting)
	service.Stdout, service.Stderr = output, output
	if err := service.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = service.Process.Signal(os.Interrupt)
		_ = service.Wait()
		_ = os.RemoveAll(dir)
	}
	for range 200 {
		if answer, err := http.Get("http://127.0.0.1:" + port + "/readyz"); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return dir, stop, nil
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	text, _ := os.ReadFile(output.Name())
	stop()
	return "", nil, fmt.Errorf("the service is not ready:\n%s", text)
}

// mailed returns the newest mail to an address.
func (w *world) mailed(address string) (mail struct{ Codes, Links []string }, err error) {
	request, err := http.NewRequest(http.MethodGet, w.base+"/dev/mailbox?to="+address, nil)
	if err != nil {
		return mail, err
	}
	request.Header.Set("Accept", "application/json")
	for range 50 {
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return mail, err
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil {
			return mail, err
		}
		if mails, err := decode(body); err == nil && len(mails) > 0 {
			return mails[0], nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return mail, errors.New("no mail to " + strings.SplitN(address, "@", 2)[0])
}
