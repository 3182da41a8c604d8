package guildhall

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// api calls Guildhall.
type api struct {
	base, key string
	client    *http.Client
}

// statusError is an answer that is no success.
type statusError struct {
	path   string
	status int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("Guildhall answers %d to %s", e.status, e.path)
}

// call sends a request and decodes the answer. received, if any, is called when the
// answer begins.
func (a *api) call(r *http.Request, answer any, received func()) error {
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "guildhall-go")
	response, err := a.client.Do(r) //nolint:gosec // the address is the one that is configured
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if received != nil {
		received()
	}
	if response.StatusCode != http.StatusOK {
		err = &statusError{r.URL.Path, response.StatusCode}
	} else {
		err = json.NewDecoder(response.Body).Decode(answer)
	}
	_, _ = io.CopyN(io.Discard, response.Body, 1<<16) // so that the connection can be used again
	return err
}

// introspect asks Guildhall about a token (RFC 7662).
func (a *api) introspect(ctx context.Context, token string) (*Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	form := url.Values{"token": {token}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+"/oauth/introspect", strings.NewReader(form.Encode())) //nolint:gosec // as above
	if err != nil {
		return nil, ErrUnavailable
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "Bearer "+a.key)
	r.Header["Idempotency-Key"] = []string{} // net/http may repeat it on another connection; the header is not sent
	var answer struct {
		Active bool `json:"active"`
		claims
	}
	if err := a.call(r, &answer, nil); err != nil {
		return nil, ErrUnavailable
	}
	if !answer.Active {
		return nil, ErrInvalidToken
	}
	return answer.identity(), nil
}
