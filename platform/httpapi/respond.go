package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

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
	Key    string    // of the item beside the page, in a list that is sorted by a key and then the id
	After  uuid.UUID // the id of that item; zero, which sorts first, at the start
	Limit  int
	Offset int
	Count  bool

	Backward bool // the page ends before that item, and the query returns it in reverse
}

// Window returns the window. It refuses a cursor together with an offset.
func (p PageInput) Window() (Window, error) { return p.window(false) }

// KeyedWindow is Window for a list that is sorted by a key and then the id.
func (p PageInput) KeyedWindow() (Window, error) { return p.window(true) }

func (p PageInput) window(keyed bool) (Window, error) {
	w := Window{Limit: p.Limit.N()}
	if p.Cursor != nil {
		w.Key, w.After, w.Backward = p.Cursor.Key, p.Cursor.ID, p.Cursor.Backward
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

// Page answers a bare array, and Links to the next and the previous page, if any.
type Page[T any] struct {
	Items []T
	Next  *field.Cursor // the position of the last item, if more follow
	Prev  *field.Cursor // that of the first item, if it follows a cursor or others
	Total *int64
}

// NewPage returns a page of the items that a query found. The query must ask for one item
// more than the limit, which shows whether more follow.
func NewPage[T any](found []T, w Window, id func(T) uuid.UUID) Page[T] {
	return NewKeyedPage(found, w, func(item T) field.Cursor { return field.Cursor{ID: id(item)} })
}

// NewKeyedPage is NewPage for a list that is sorted by a key and then the id.
func NewKeyedPage[T any](found []T, w Window, position func(T) field.Cursor) Page[T] {
	more, items := len(found) > w.Limit, found[:min(len(found), w.Limit)]
	page := Page[T]{Items: items}
	before, after := w.After != uuid.Nil, more
	if w.Backward {
		slices.Reverse(items)
		before, after = more, true
	}
	if len(items) > 0 && after {
		page.Next = new(position(items[len(items)-1]))
	}
	if len(items) > 0 && before {
		page.Prev = new(position(items[0]))
		page.Prev.Backward = true
	}
	return page
}

// PageOf returns a page of the items of a whole list, which is sorted by its keys.
func PageOf[T any](all []T, w Window, key func(T) uuid.UUID) Page[T] {
	rest := slices.DeleteFunc(slices.Clone(all), func(v T) bool {
		id := key(v)
		order := bytes.Compare(id[:], w.After[:])
		return order == 0 || (order > 0) == w.Backward
	})
	if w.Backward {
		slices.Reverse(rest)
	}
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

func (p Page[T]) page() (items any, links []link, total *int64) {
	return p.Items, []link{{"next", p.Next}, {"prev", p.Prev}}, p.Total
}

// link is a relation and the position beside the page to which it leads, if there is one.
type link struct {
	relation string
	to       *field.Cursor
}

func (c Created[T]) created() (location string, body any) { return c.Location, c.Body }

type paged interface {
	page() (items any, links []link, total *int64)
}

// Issued answers 201 with a secret for this client alone. Nothing has a URL that Location
// could name, and no copy is kept for an Idempotency-Key: a repeated request issues another.
type Issued[T any] struct{ Body T }

func (i Issued[T]) issued() any { return i.Body }

type issue interface{ issued() any }

// Accepted answers 202: what the request asks for happens later.
type Accepted[T any] struct{ Body T }

func (a Accepted[T]) accepted() any { return a.Body }

type acceptance interface{ accepted() any }

// SeeOther answers 303: the browser goes on to another page.
type SeeOther struct{ URL string }

// Download answers 200 with a JSON document, which has the shape of T, for a file.
type Download[T any] struct {
	Name string // of the file
	Body []byte
}

func (d Download[T]) download() (name string, body []byte, shape any) {
	return d.Name, d.Body, *new(T)
}

type download interface {
	download() (name string, body []byte, shape any)
}

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
	case acceptance:
		return writeJSON(c, http.StatusAccepted, o.accepted())
	case download:
		name, body, _ := o.download()
		c.Header("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
		write(c, http.StatusOK, body)
		return nil
	case NoContent:
		c.Status(http.StatusNoContent)
		c.Writer.WriteHeaderNow()
		return nil
	case SeeOther:
		c.Header("Location", o.URL)
		c.Status(http.StatusSeeOther)
		c.Writer.WriteHeaderNow()
		return nil
	case creation:
		location, body := o.created()
		c.Header("Location", location)
		return writeJSON(c, http.StatusCreated, body)
	case paged:
		items, links, total := o.page()
		if header := linkHeader(c.Request.URL, links); header != "" {
			c.Header("Link", header)
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

// linkHeader returns relative links (RFC 8288 §3.2), which are valid behind any proxy.
func linkHeader(u *url.URL, links []link) string {
	var list []string
	for _, l := range links {
		if l.to == nil {
			continue
		}
		query := u.Query()
		query.Del("offset")
		query.Set("cursor", l.to.String())
		list = append(list, "<"+u.EscapedPath()+"?"+query.Encode()+`>; rel="`+l.relation+`"`)
	}
	return strings.Join(list, ", ")
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
