package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// connection is a keep-alive connection. It implements only the part of HTTP/1.1 that the
// servers use, because a minimal client takes little time on the cores that it shares with
// them.
type connection struct {
	net.Conn
	in        *bufio.Reader
	body      []byte
	counted   window
	latencies histogram
}

// window is the time in which completed requests are counted.
type window struct{ from, until time.Time }

func dial(ctx context.Context, address string, counted window) (*connection, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(counted.until.Add(30 * time.Second)); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &connection{Conn: c, in: bufio.NewReaderSize(c, 32<<10), counted: counted}, nil
}

// do sends a request and returns its answer. The body is valid until the next call.
func (c *connection) do(request []byte) (status int, body []byte, err error) {
	begun := time.Now()
	if _, err := c.Write(request); err != nil {
		return 0, nil, err
	}
	if status, err = c.read(); err != nil {
		return 0, nil, fmt.Errorf("read the answer: %w", err)
	}
	if ended := time.Now(); ended.After(c.counted.from) && ended.Before(c.counted.until) {
		c.latencies.add(ended.Sub(begun))
	}
	return status, c.body, nil
}

var errNotHTTP = errors.New("the answer is not HTTP/1.1")

func (c *connection) read() (status int, err error) {
	c.body = c.body[:0]
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < len("HTTP/1.1 200\r\n") || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, errNotHTTP
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, errNotHTTP
	}
	length, chunked := 0, false
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return 0, err
		}
		if len(line) <= len("\r\n") {
			break
		}
		if value, ok := field(line, "content-length:"); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, errNotHTTP
			}
		} else if value, ok := field(line, "transfer-encoding:"); ok {
			chunked = string(value) == "chunked"
		}
	}
	if !chunked {
		return status, c.take(length)
	}
	return status, c.takeChunks()
}

func field(line []byte, name string) (value []byte, ok bool) {
	if len(line) < len(name) || !bytes.EqualFold(line[:len(name)], []byte(name)) {
		return nil, false
	}
	return bytes.TrimSpace(line[len(name):]), true
}

func (c *connection) take(n int) error {
	at := len(c.body)
	c.body = append(c.body, make([]byte, n)...)
	_, err := io.ReadFull(c.in, c.body[at:])
	return err
}

func (c *connection) takeChunks() error {
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
		if err != nil {
			return errNotHTTP
		}
		if err := c.take(int(n)); err != nil {
			return err
		}
		if _, err := c.in.Discard(len("\r\n")); err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
	}
}

// request formats a request. Callers that repeat it format it once.
func request(method, path, token string, body []byte) []byte {
	b := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: bench\r\nUser-Agent: guildhall-bench\r\n", method, path)
	if token != "" {
		b = fmt.Appendf(b, "Authorization: Bearer %s\r\n", token)
	}
	if body != nil {
		b = fmt.Appendf(b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	return append(append(b, "\r\n"...), body...)
}
