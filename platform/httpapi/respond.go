package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"guildhall/platform/fault"
	"guildhall/platform/field"
)

// NoContent answers 204.
type NoContent struct{}

// PageInput is embedded in the input of every list.
type PageInput struct {
	Limit  *field.Limit  `query:"limit"`
	Cursor *field.Cursor `query:"cursor"`
	Offset *field.Offset `query:"offset"`
	Count  *bool         `query:"count" description:"Whether to send X-Total-Count, at the cost of counting."`
}

// Window is a PageInput in the form that queries need.
type Window struct {
	Key    string    // of the last item of the page before, in a list that is sorted by a key and then the id
	After  uuid.UUID // the id of that item; zero, which sorts first, at the start
	Limit  int
	Offset int
	Count  bool
}

// Window returns the window. It refuses a cursor together with an offset.
func (p PageInput) Window() (Window, error) { return p.window(false) }

// KeyedWindow is Window for a list that is sorted by a key and then the id.
func (p PageInput) KeyedWindow() (Window, error) { return p.window(true) }

func (p PageInput) window(keyed bool) (Window, error) {
	w := Window{Limit: p.Limit.N()}
	if p.Cursor != nil {
		w.Key, w.After = p.Cursor.Key, p.Cursor.ID
		if keyed != (w.Key != "") {
			return w, Invalid("query.cursor", fault.NotACursor)
		}
	}
	if p.Offset != nil {
		w.Offset = int(*p.Offset)
	}
	if p.Cursor != nil && p.Offset != nil {
		return w, Invalid("query.offset", fault.CursorAndOffset)
	}
	w.Count = p.Count != nil && *p.Count
	return w, nil
}

// Page answers a bare array, and a Link to the next page, if any.
type Page[T any] struct {
	Items []T
	Next  *field.Cursor // the position of the last item, if more follow
	Total *int64
}

// NewPage returns a page of the items that a query found. The query must ask for one item
// more than the limit, which shows whether more follow.
func NewPage[T any](found []T, w Window, id func(T) uuid.UUID) Page[T] {
	return NewKeyedPage(found, w, func(item T) field.Cursor { return field.Cursor{ID: id(item)} })
}

// NewKeyedPage is NewPage for a list that is sorted by a key and then the id.
func NewKeyedPage[T any](found []T, w Window, position func(T) field.Cursor) Page[T] {
	if len(found) <= w.Limit {
		return Page[T]{Items: found}
	}
	return Page[T]{Items: found[:w.Limit], Next: new(position(found[w.Limit-1]))}
}

// PageOf returns a page of the items of a whole list, which is sorted by its keys.
func PageOf[T any](all []T, w Window, key func(T) uuid.UUID) Page[T] {
	rest := slices.DeleteFunc(slices.Clone(all), func(v T) bool {
		id := key(v)
		return bytes.Compare(id[:], w.After[:]) <= 0
	})
	page := NewPage(rest[min(w.Offset, len(rest)):], w, key)
	if w.Count {
		page.Total = new(int64(len(all)))
	}
	return page
}

// Each iterates over a whole list, with one page in memory at a time.
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
			w.Key, w.After = page.Next.Key, page.Next.ID
		}
	}
}

func (p Page[T]) page() (items any, next *field.Cursor, total *int64) {
	return p.Items, p.Next, p.Total
}

func (c Created[T]) created() (location string, body any) { return c.Location, c.Body }

type paged interface {
	page() (items any, next *field.Cursor, total *int64)
}

// Issued answers 201 with a secret for this client alone. Nothing has a URL that Location
// could name, and no copy is kept for an Idempotency-Key: a repeated request issues another.
type Issued[T any] struct{ Body T }

func (i Issued[T]) issued() any { return i.Body }

type issue interface{ issued() any }

// MaybeCreated is Created, or 202 with what the client needs to complete the creation.
type MaybeCreated[T, P any] struct {
	Created[T]
	Pending *P // nil: it is created
}

func (m MaybeCreated[T, P]) otherwise() (int, any, bool) {
	return http.StatusAccepted, m.Pending, m.Pending != nil
}

// Tried is Created, or 200 with the same body if nothing was created, because the request
// only asked what would be.
type Tried[T any] struct {
	Created[T]
	Dry bool
}

func (t Tried[T]) otherwise() (int, any, bool) { return http.StatusOK, t.Body, t.Dry }

// alternative is an answer that may have another status.
type alternative interface {
	otherwise() (status int, body any, is bool)
}

type creation interface {
	created() (location string, body any)
}

func respond(c *gin.Context, output any, versioned bool) error {
	if a, may := output.(alternative); may {
		if status, body, is := a.otherwise(); is {
			return writeJSON(c, status, body)
		}
	}
	switch o := output.(type) {
	case issue:
		return writeJSON(c, http.StatusCreated, o.issued())
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
		if versioned {
			return writeVersion(c, output)
		}
		return writeJSON(c, http.StatusOK, output)
	}
}

// nextLink returns a relative link (RFC 8288 §3.2), which is valid behind any proxy.
func nextLink(u *url.URL, after field.Cursor) string {
	query := u.Query()
	query.Del("offset")
	query.Set("cursor", after.String())
	return "<" + u.EscapedPath() + "?" + query.Encode() + `>; rel="next"`
}

// writeVersion answers 200 with an ETag, or 304 if the client has this version.
func writeVersion(c *gin.Context, body any) error {
	encoded, err := encode(body)
	if err != nil {
		return err
	}
	tag := entityTag(encoded)
	c.Header("ETag", tag)
	if c.Request.Method == http.MethodGet && matches(entityTags(c.Request.Header.Values("If-None-Match")), tag) {
		c.Status(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return nil
	}
	write(c, http.StatusOK, encoded)
	return nil
}

func writeJSON(c *gin.Context, status int, body any) error {
	encoded, err := encode(body)
	if err == nil {
		write(c, status, encoded)
	}
	return err
}

func encode(body any) ([]byte, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode a %s: %w", reflect.TypeOf(body), err)
	}
	return encoded, nil
}

func write(c *gin.Context, status int, encoded []byte) {
	c.Writer.Header().Set("Content-Type", "application/json")
	c.Writer.WriteHeader(status)
	_, _ = c.Writer.Write(encoded)
}
