package httpapi

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"guildhall/platform/fault"
)

// The limits of a body, in bytes.
const (
	maxBody  = 64 << 10
	maxLarge = 512 << 10 // of a route whose Doc says Large
)

// accepted are the bodies that a route accepts, besides JSON.
type accepted struct{ form, csv, large bool }

// limit returns the limit of a body, and the refusal of a larger one.
func (a accepted) limit() (int64, *fault.Error) {
	if a.large {
		return maxLarge, errLargeBody
	}
	return maxBody, errBodyTooLarge
}

type bodyKind int

const (
	noBody bodyKind = iota
	jsonBody
	formBody
	csvBody
)

// requestBody is a body before decoding.
type requestBody struct {
	bytes []byte
	kind  bodyKind
}

// read reads the body if the method has one. It refuses a second Content-Type header, even
// an equal one or one without a body: another program may use the other header (RFC 9110
// §5.3).
func (in *input) read(c *gin.Context) (body requestBody, err error) {
	if len(c.Request.Header["Content-Type"]) > 1 {
		return body, errTwoMediaTypes
	}
	if in.takesBody {
		body.bytes, body.kind, err = readBody(c, in.accepted)
	}
	return body, err
}

// readBody reads a body. It refuses one that is too large and an unsupported media type. If no byte was sent there is no body, regardless of the headers.
func readBody(c *gin.Context, accepts accepted) ([]byte, bodyKind, error) {
	r := c.Request
	most, tooLarge := accepts.limit()
	if r.ContentLength > most {
		return nil, noBody, tooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, r.Body, most))
	var exceeded *http.MaxBytesError
	if errors.As(err, &exceeded) {
		return nil, noBody, tooLarge
	}
	if err != nil {
		return nil, noBody, errBrokenBody.WithCause(err)
	}
	if len(body) == 0 {
		return nil, noBody, nil
	}
	kind, err := mediaType(r.Header, accepts)
	return body, kind, err
}

func mediaType(h http.Header, accepts accepted) (bodyKind, error) {
	for _, encoding := range h["Content-Encoding"] {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return noBody, unsupported(accepts)
		}
	}
	media, parameters, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return noBody, unsupported(accepts).WithCause(err)
	}
	if charset, ok := parameters["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return noBody, unsupported(accepts)
	}
	switch {
	case media == "application/json":
		return jsonBody, nil
	case accepts.form && media == formMedia:
		return formBody, nil
	case accepts.csv && media == csvMedia:
		return csvBody, nil
	default:
		return noBody, unsupported(accepts)
	}
}

// unsupported returns the refusal that names the media types a route accepts.
func unsupported(accepts accepted) *fault.Error {
	switch {
	case accepts.form:
		return errFormMediaType
	case accepts.csv:
		return errCSVMediaType
	default:
		return errMediaType
	}
}
