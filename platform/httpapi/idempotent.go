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
	"guildhall/platform/idempotency"
)

const (
	idempotencyKeyHeader = "Idempotency-Key"
	replayedHeader       = "Idempotency-Replayed"
)

// Created answers 201 with the resource and where it is.
type Created[T any] struct {
	Location string // a path, so that no Host header can point elsewhere
	Body     T
}

// NewCreated is the answer of a route that creates something. It is called last
// in the transaction that does: where the client sent an Idempotency-Key, the
// answer is kept there for whoever asks again.
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

// The key may stand in quotes, as a structured field does.
var idempotencyKey = regexp.MustCompile(`^("[!#-\[\]-~]{1,253}"|[!#-\[\]-~]{1,255})$`)

// once carries out a request that creates something once for each key of a
// caller: it answers a repetition itself, or calls serve.
func (a *API) once(ctx context.Context, c *gin.Context, body []byte, serve func(context.Context) error) error {
	values := c.Request.Header.Values(idempotencyKeyHeader)
	if len(values) == 0 {
		return serve(ctx)
	}
	if len(values) > 1 || !idempotencyKey.MatchString(values[0]) {
		return Invalid("header."+idempotencyKeyHeader, "must be given once, 1 to 255 printable ASCII characters without spaces.")
	}
	caller := access.From(ctx).UserID.String() // the zero UUID for those who are not signed in
	attempt, before, err := a.keys.Begin(ctx, caller, strings.Trim(values[0], `"`), fingerprint(c.Request, body))
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
		if !attempt.Kept {
			panic("httpapi: " + c.FullPath() + " answered 201 without NewCreated")
		}
		return nil
	}
	a.release(ctx, attempt)
	return err
}

// release is done also when the client has gone or the time is up.
func (a *API) release(ctx context.Context, attempt *idempotency.Attempt) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := attempt.Release(ctx); err != nil { // then it ends by itself
		a.log.LogAttrs(ctx, slog.LevelWarn, "an idempotency key was not released", slog.Any("cause", err))
	}
}

// fingerprint is the same for a body whose members are in another order.
func fingerprint(r *http.Request, body []byte) string {
	canonical := jsontext.Value(body).Clone()
	if err := canonical.Canonicalize(); err != nil {
		canonical = body
	}
	h := sha256.New()
	for _, part := range []string{r.Method, r.URL.Path, r.Header.Get("X-Organization-ID"), string(canonical)} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))
}
