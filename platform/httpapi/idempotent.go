package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-json-experiment/json/jsontext"

	"guildhall/platform/access"
	"guildhall/platform/fault"
	"guildhall/platform/idempotency"
)

const (
	idempotencyKeyHeader = "Idempotency-Key"
	replayedHeader       = "Idempotency-Replayed"
)

// Created answers 201 with the resource and its location.
type Created[T any] struct {
	Location string // a path, so that no Host header can point elsewhere
	Body     T
}

// NewCreated returns the response of a route that creates something. Call it last in the
// transaction that creates it: if the client sent an Idempotency-Key, it stores the
// response there for a repeated request.
func NewCreated[T any](ctx context.Context, location string, body T) (Created[T], error) {
	c := Created[T]{Location: location, Body: body}
	attempt := idempotency.From(ctx)
	if attempt == nil {
		return c, nil
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return c, fmt.Errorf("encode a %T: %w", body, err)
	}
	return c, attempt.Keep(ctx, idempotency.Answer{Location: location, Body: encoded})
}

// idempotencyKey matches a key, which may be in quotes, as in a structured field.
var idempotencyKey = regexp.MustCompile(`^("[!#-\[\]-~]{1,253}"|[!#-\[\]-~]{1,255})$`)

// serveIdempotent handles a request that creates something. It calls serve once per key of
// a caller; it answers a repeated request with the stored response.
func (a *API) serveIdempotent(ctx context.Context, c *gin.Context, body []byte, serve func(context.Context) error) error {
	values := c.Request.Header.Values(idempotencyKeyHeader)
	if len(values) == 0 {
		return serve(ctx)
	}
	if len(values) > 1 || !idempotencyKey.MatchString(values[0]) {
		return Invalid("header."+idempotencyKeyHeader, fault.NotAKey)
	}
	caller := callerID(ctx)
	attempt, before, err := a.keys.Begin(ctx, caller, strings.Trim(values[0], `"`), fingerprint(c.Request, body))
	if idempotency.ErrUnreadable.Is(err) { // the operator may want to know
		a.log.LogAttrs(ctx, slog.LevelWarn, "a stored answer is lost", slog.Any("cause", err))
	}
	if err != nil {
		return err
	}
	if before != nil {
		c.Header(replayedHeader, "true")
		c.Header("Location", before.Location)
		c.Data(http.StatusCreated, "application/json", before.Body)
		return nil
	}
	if err = serve(idempotency.With(ctx, attempt)); err == nil {
		if c.Writer.Status() != http.StatusCreated { // nothing was created, so a repeated request tries again
			a.release(ctx, attempt)
			return nil
		}
		if !attempt.Kept {
			panic("httpapi: " + c.FullPath() + " answered 201 without NewCreated")
		}
		return nil
	}
	a.release(ctx, attempt)
	return err
}

// callerID returns whose Idempotency-Key it is: the person's or the API key's, which has other
// rights than its holder. Without a caller it is the zero UUID.
func callerID(ctx context.Context) string {
	caller := access.From(ctx)
	if caller.ByKey() {
		return caller.SessionID.String()
	}
	return caller.UserID.String()
}

// release releases the key, even if the client has disconnected or the request timed out.
func (a *API) release(ctx context.Context, attempt *idempotency.Attempt) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := attempt.Release(ctx); err != nil { // not fatal: the claim expires by itself
		a.log.LogAttrs(ctx, slog.LevelWarn, "failed to release an idempotency key", slog.Any("cause", err))
	}
}

// fingerprint identifies a request. It does not depend on the order of the body's members.
func fingerprint(r *http.Request, body []byte) string {
	canonical := jsontext.Value(body).Clone()
	if err := canonical.Canonicalize(); err != nil {
		canonical = body
	}
	h := sha256.New()
	parts := []string{r.Method, r.URL.Path, r.Header.Get("X-Organization-ID"), string(canonical)}
	if r.URL.RawQuery != "" {
		parts = append(parts, r.URL.RawQuery)
	}
	for _, part := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))
}
