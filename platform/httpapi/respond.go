package httpapi

import (
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"reflect"
	"strconv"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"guildhall/platform/field"
)

// NoContent answers 204.
type NoContent struct{}

// PageInput is embedded by the input of every list.
type PageInput struct {
	Limit  *field.Limit  `query:"limit"`
	Cursor *field.Cursor `query:"cursor"`
	Offset *field.Offset `query:"offset"`
	Count  *bool         `query:"count" description:"Whether to send X-Total-Count, at the cost of counting."`
}

// Window is a PageInput as a query needs it.
type Window struct {
	After  uuid.UUID // the last key seen; the zero UUID, which is before all others, at the start
	Limit  int
	Offset int
	Count  bool
}

// Window refuses a cursor and an offset together.
func (p PageInput) Window() (Window, error) {
	w := Window{Limit: p.Limit.N()}
	if p.Cursor != nil {
		w.After = uuid.UUID(*p.Cursor)
	}
	if p.Offset != nil {
		w.Offset = int(*p.Offset)
	}
	if p.Cursor != nil && p.Offset != nil {
		return w, Invalid("query.offset", "must not be given together with a cursor.")
	}
	w.Count = p.Count != nil && *p.Count
	return w, nil
}

// Page answers a bare array, and a Link to the next page where there is one.
type Page[T any] struct {
	Items []T
	Next  *uuid.UUID // the key of the last item, where more follow
	Total *int64
}

// NewPage makes a page of what a query for one item more than the limit found.
func NewPage[T any](found []T, w Window, key func(T) uuid.UUID) Page[T] {
	if len(found) <= w.Limit {
		return Page[T]{Items: found}
	}
	last := key(found[w.Limit-1])
	return Page[T]{Items: found[:w.Limit], Next: &last}
}

// Each goes through all of a list, of which it has a page in memory at a time.
func Each[T any](read func(Window) (Page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		w := Window{Limit: 500}
		for {
			page, err := read(w)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if page.Next == nil {
				return
			}
			w.After = *page.Next
		}
	}
}

func (p Page[T]) page() (items any, next *uuid.UUID, total *int64) { return p.Items, p.Next, p.Total }

func (c Created[T]) created() (location string, body any) { return c.Location, c.Body }

type paged interface {
	page() (items any, next *uuid.UUID, total *int64)
}

type creation interface {
	created() (location string, body any)
}

func respond(c *gin.Context, output any) error {
	switch o := output.(type) {
	case NoContent:
		c.Status(http.StatusNoContent)
		c.Writer.WriteHeaderNow()
		return nil
	case creation:
		location, body := o.created()
		c.Header("Location", location)
		return writeJSON(c, http.StatusCreated, body)
	case paged:
		items, next, total := o.page()
		if next != nil {
			c.Header("Link", nextLink(c.Request.URL, *next))
		}
		if total != nil {
			c.Header("X-Total-Count", strconv.FormatInt(*total, 10))
		}
		return writeJSON(c, http.StatusOK, items)
	default:
		return writeJSON(c, http.StatusOK, output)
	}
}

// nextLink is relative (RFC 8288 §3.2), so that it holds behind any proxy.
func nextLink(u *url.URL, after uuid.UUID) string {
	query := u.Query()
	query.Del("offset")
	query.Set("cursor", field.Cursor(after).String())
	return "<" + u.EscapedPath() + "?" + query.Encode() + `>; rel="next"`
}

func writeJSON(c *gin.Context, status int, body any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode a %s: %w", reflect.TypeOf(body), err)
	}
	c.Writer.Header().Set("Content-Type", "application/json")
	c.Writer.WriteHeader(status)
	_, _ = c.Writer.Write(encoded)
	return nil
}
