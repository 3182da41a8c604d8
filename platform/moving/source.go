package moving

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"guildhall/platform/fault"
)

// Source is a file, which may be packed with gzip: JSON lines or CSV, or what Rows reads. It
// is read several times, and has the same rows each time.
type Source struct {
	Name string
	File io.ReadSeeker // nil if Rows reads a database
	Size int64         // in bytes; it is for progress
	// Rows passes the rows of another system, which it reads from the unpacked file. It is nil
	// for a file in the format of this package.
	Rows  func(ctx context.Context, in *bufio.Reader, take Take) error
	isCSV bool
	read  int64 // bytes of the file
}

// Take gets a row of another system, and the number of its record.
type Take func(record int64, r *Row) error

// maxLine is the size of a line in bytes. It has room for some thousand memberships.
const maxLine = 1 << 20

// Read implements io.Reader, and counts.
func (s *Source) Read(p []byte) (int, error) {
	n, err := s.File.Read(p)
	s.read += int64(n)
	return n, err
}

// each passes every row to take, with its line. A row that can't be read is nil and has a
// problem. The bytes are written to sum as well, unless it is nil.
func (s *Source) each(ctx context.Context, sum hash.Hash, take func(where at, r *Row, p *problem) error) error {
	if err := s.rows(ctx, sum, take); err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	return nil
}

func (s *Source) rows(ctx context.Context, sum hash.Hash, take func(at, *Row, *problem) error) error {
	if s.File == nil {
		return s.converted(ctx, nil, sum, take)
	}
	if s.Rows != nil {
		in, err := s.Unpacked()
		if err != nil {
			return err
		}
		start, _ := in.Peek(64)
		start = bytes.TrimLeft(start, " \t\r\n")
		s.isCSV = len(start) > 0 && start[0] != '{' && start[0] != '['
		return s.converted(ctx, in, sum, take)
	}
	lines, err := s.unpacked(sum)
	if err != nil {
		return err
	}
	first, err := lines.Peek(1)
	if err != nil {
		return err
	}
	s.isCSV = first[0] != '{'
	if s.isCSV {
		return s.fromCSV(lines, take)
	}
	return s.fromJSON(lines, take)
}

// Unpacked returns the content from the beginning, without a byte order mark.
func (s *Source) Unpacked() (*bufio.Reader, error) { return s.unpacked(nil) }

func (s *Source) unpacked(sum hash.Hash) (*bufio.Reader, error) {
	if _, err := s.File.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	s.read = 0
	var in io.Reader = bufio.NewReaderSize(s, 1<<16)
	if magic, _ := in.(*bufio.Reader).Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		in = unpacked
	}
	if sum != nil {
		in = io.TeeReader(in, sum)
	}
	lines := bufio.NewReaderSize(in, maxLine+1)
	if mark, _ := lines.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = lines.Discard(3)
	}
	if _, err := lines.Peek(1); errors.Is(err, io.EOF) {
		return nil, errors.New("it is empty")
	}
	return lines, nil
}

// converted passes the rows of another system. The bytes of its file don't matter for the
// sum: only the rows do.
func (s *Source) converted(ctx context.Context, in *bufio.Reader, sum hash.Hash, take func(at, *Row, *problem) error) error {
	return s.Rows(ctx, in, func(record int64, r *Row) error {
		if sum != nil {
			line, err := json.Marshal(r, jsontext.AllowInvalidUTF8(true)) // a value that is none is refused with its row
			if err != nil {
				return fmt.Errorf("record %d: %w", record, err)
			}
			_, _ = sum.Write(append(line, '\n')) // never fails
		}
		return take(at{s, record}, r, nil)
	})
}

func (s *Source) fromJSON(lines *bufio.Reader, take func(at, *Row, *problem) error) error {
	for n := int64(1); ; n++ {
		line, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("line %d is longer than %d bytes", n, maxLine)
		case errors.Is(err, io.EOF) && len(line) == 0:
			return nil
		case err != nil && !errors.Is(err, io.EOF):
			return fmt.Errorf("read after line %d: %w", n-1, err)
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		r := new(Row)
		var wrong *problem
		if bad := json.Unmarshal(line, r, json.RejectUnknownMembers(true)); bad != nil {
			if errors.Is(err, io.EOF) && errors.Is(bad, io.ErrUnexpectedEOF) {
				return fmt.Errorf("it ends within line %d", n)
			}
			wrong = problemOf(bad)
		}
		if err := take(at{s, n}, r, wrong); err != nil {
			return err
		}
	}
}

// problemOf converts the error of a decoder, whose text may contain the value.
func problemOf(err error) *problem {
	var semantic *json.SemanticError
	if !errors.As(err, &semantic) {
		return &problem{"line", fault.NotAnObject}
	}
	name := strings.TrimPrefix(string(semantic.JSONPointer), "/")
	switch {
	case errors.Is(err, json.ErrUnknownName):
		if len(name) > 64 {
			name = "line"
		}
		return &problem{name, fault.UnknownField}
	case name == "":
		return &problem{"line", fault.NotAnObject}
	default:
		return &problem{strings.ReplaceAll(name, "/", "."), fault.Unacceptable}
	}
}

// columns are the columns of a CSV file: each puts its value into a row.
var columns = map[string]func(r *Row, value string) error{
	"type":               func(r *Row, v string) error { r.Type = v; return nil },
	"id":                 func(r *Row, v string) error { r.ID = &v; return nil },
	"external_id":        func(r *Row, v string) error { r.ExternalID = &v; return nil },
	"name":               func(r *Row, v string) error { r.Name = &v; return nil },
	"created_at":         func(r *Row, v string) error { r.CreatedAt = &v; return nil },
	"standing":           func(r *Row, v string) error { r.Standing = &v; return nil },
	"suspension_reason":  func(r *Row, v string) error { r.SuspensionReason = &v; return nil },
	"suspended_until":    func(r *Row, v string) error { r.SuspendedUntil = &v; return nil },
	"archive_reason":     func(r *Row, v string) error { r.ArchiveReason = &v; return nil },
	"email":              func(r *Row, v string) error { r.Email = &v; return nil },
	"email_verified":     func(r *Row, v string) (err error) { r.EmailVerified, err = flag(v); return err },
	"locale":             func(r *Row, v string) error { r.Locale = &v; return nil },
	"bio":                func(r *Row, v string) error { r.Bio = &v; return nil },
	"avatar_url":         func(r *Row, v string) error { r.AvatarURL = &v; return nil },
	"password_hash":      func(r *Row, v string) error { r.PasswordHash = &v; return nil },
	"password_salt":      func(r *Row, v string) error { r.PasswordSalt = &v; return nil },
	"owner":              func(r *Row, v string) error { r.Owner = &v; return nil },
	"suspended_by_owner": func(r *Row, v string) (err error) { r.SuspendedByOwner, err = flag(v); return err },
	// A person with one membership has it in these two columns, one with several as JSON.
	"organization": func(r *Row, v string) error { r.only().Organization = &v; return nil },
	"role":         func(r *Row, v string) error { r.only().Role = &v; return nil },
	"memberships": func(r *Row, v string) error {
		if r.Memberships != nil || json.Unmarshal([]byte(v), &r.Memberships, json.RejectUnknownMembers(true)) != nil {
			return fault.NotAnArray
		}
		return nil
	},
}

func flag(v string) (*bool, error) {
	is, err := strconv.ParseBool(strings.ToLower(v))
	if err != nil {
		return nil, fault.NotABoolean
	}
	return &is, nil
}

// only returns the only membership of a row.
func (r *Row) only() *MembershipRow {
	if r.Memberships == nil {
		r.Memberships = []MembershipRow{{}}
	}
	return &r.Memberships[0]
}

func (s *Source) fromCSV(lines io.Reader, take func(at, *Row, *problem) error) error {
	bounded := NewBounded(lines, maxLine)
	table := csv.NewReader(bounded)
	table.ReuseRecord = true
	header, err := table.Read()
	if err != nil {
		return fmt.Errorf("line 1: %w", err)
	}
	header = slices.Clone(header)
	for i, name := range header {
		header[i] = strings.TrimSpace(name)
		if columns[header[i]] == nil {
			return fmt.Errorf("line 1: no column is called %.40q", name)
		}
		if slices.Contains(header[:i], header[i]) {
			return fmt.Errorf("line 1: two columns are called %s", header[i])
		}
	}
	for {
		bounded.Next()
		record, err := table.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		var wrong *problem
		switch {
		case errors.Is(err, csv.ErrFieldCount):
			wrong = &problem{"line", fault.WrongColumns}
		case err != nil:
			return err // it has the line, and no value
		}
		line, _ := table.FieldPos(0)
		r := new(Row)
		for i, value := range record {
			if value == "" || wrong != nil {
				continue
			}
			if err := columns[header[i]](r, value); err != nil {
				c := &checker{}
				c.refuse(header[i], err)
				wrong = c.err
			}
		}
		if err := take(at{s, int64(line)}, r, wrong); err != nil {
			return err
		}
	}
}
