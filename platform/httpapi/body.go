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

const maxBody = 64 << 10 // bytes

type bodyKind int

const (
	noBody bodyKind = iota
	jsonBody
	formBody
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
		body.bytes, body.kind, err = readBody(c, in.form)
	}
	return body, err
}

// readBody reads a body of at most 64 KiB. It refuses a larger one and an unsupported media
// type. If no byte was sent there is no body, regardless of the headers.
func readBody(c *gin.Context, form bool) ([]byte, bodyKind, error) {
	r := c.Request
	if r.ContentLength > maxBody {
		return nil, noBody, errBodyTooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, noBody, errBodyTooLarge
	}
	if err != nil {
		return nil, noBody, errBrokenBody.WithCause(err)
	}
	if len(body) == 0 {
		return nil, noBody, nil
	}
	kind, err := mediaType(r.Header, form)
	return body, kind, err
}

func mediaType(h http.Header, form bool) (bodyKind, error) {
	for _, encoding := range h["Content-Encoding"] {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return noBody, unsupported(form)
		}
	}
	media, parameters, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return noBody, unsupported(form).WithCause(err)
	}
	if charset, ok := parameters["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return noBody, unsupported(form)
	}
	switch {
	case media == "application/json":
		return jsonBody, nil
	case form && media == formMedia:
		return formBody, nil
	default:
		return noBody, unsupported(form)
	}
}

// unsupported returns the refusal that names the media types a route accepts.
func unsupported(form bool) *fault.Error {
	if form {
		return errFormMediaType
	}
	return errMediaType
}
