package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"guildhall/platform/fault"
)

// errPrecondition refuses a change of a version that is no longer the current one.
var errPrecondition = fault.New(fault.PreconditionFailed, "precondition_failed", "This was changed in the meantime. Read it again, and repeat the change.")

// errNoVersions refuses a precondition that can't be checked: to ignore it would lose the
// update that it protects (RFC 9110 §13.1.1).
var errNoVersions = fault.New(fault.PreconditionFailed, errPrecondition.Code, "This operation checks no version: send it without If-Match.")

// precondition is the If-Match field of a request (RFC 9110 §13.1.1).
type precondition struct {
	tags    []string
	checked bool
}

type preconditionKey struct{}

// withPrecondition stores the If-Match field in the context, if the request has one.
func withPrecondition(ctx context.Context, h http.Header) context.Context {
	values := h.Values("If-Match")
	if len(values) == 0 {
		return ctx
	}
	return context.WithValue(ctx, preconditionKey{}, &precondition{tags: entityTags(values)})
}

// CheckVersion refuses a change (precondition_failed) if the request names a version in
// If-Match that is not the current one. A handler whose Doc is Versioned calls it in the
// transaction of the change, after it has locked the rows. current returns the view that a
// GET of the caller would show.
func CheckVersion[T any](ctx context.Context, current func(context.Context) (T, error)) error {
	p, given := ctx.Value(preconditionKey{}).(*precondition)
	if !given {
		return nil
	}
	p.checked = true
	view, err := current(ctx)
	if err != nil {
		return err
	}
	encoded, err := encode(view)
	if err != nil {
		return err
	}
	if !matches(p.tags, entityTag(encoded)) { // mutant: version
		return errPrecondition
	}
	return nil
}

// wasChecked reports whether the handler has called CheckVersion, if it must.
func wasChecked(ctx context.Context) bool {
	p, given := ctx.Value(preconditionKey{}).(*precondition)
	return !given || p.checked
}

// entityTag returns the ETag of a representation, which depends on nothing but its content.
func entityTag(encoded []byte) string {
	sum := sha256.Sum256(encoded)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

// listedTag matches one entity tag of a list. It skips W/: a proxy that compresses answers
// makes tags weak, and the content stays the same.
var listedTag = regexp.MustCompile(`"[\x21\x23-\x7e]*"|\*`)

func entityTags(fields []string) []string {
	return listedTag.FindAllString(strings.Join(fields, ","), -1)
}

func matches(tags []string, current string) bool {
	return slices.Contains(tags, current) || slices.Contains(tags, "*")
}
