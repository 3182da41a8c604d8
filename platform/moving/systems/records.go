package systems

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"guildhall/platform/moving"
)

// records passes the records of a file: a CSV file with the names of the columns in its
// first line, lines of JSON objects, or a JSON array of objects, or several one after
// another. The first record is 1. In a CSV file it is the number of the line.
func records(in *bufio.Reader, visit func(n int64, r record) error) error {
	first, err := firstOf(in)
	if err != nil {
		return err
	}
	d, n := newDecoder(in), int64(0)
	switch first {
	case '{':
		if err := objects(d, &n, visit); err != nil {
			return d.Or(err)
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return d.Or(fmt.Errorf("after record %d %w", n, errNotJSON))
		}
		return nil
	case '[':
		return d.Or(each(d, '[', func() error { return objects(d, &n, visit) }))
	default:
		return table(in, nil, visit)
	}
}

// maxRecord is the size of a record in bytes. It has room for an organization with a hundred
// thousand members.
const maxRecord = 16 << 20

// maxDepth is how deep a value may be nested that is left out. It is that of encoding/json for
// one that is not.
const maxDepth = 10_000

// decoder reads JSON with records of at most maxRecord bytes.
type decoder struct {
	*json.Decoder
	*moving.Bounded
}

func newDecoder(in io.Reader) *decoder {
	b := moving.NewBounded(in, maxRecord)
	return &decoder{json.NewDecoder(b), b}
}

// each reads several arrays or objects, one after another. Their content is read by inside.
func each(d *decoder, opening json.Delim, inside func() error) error {
	for {
		switch opened, err := d.Token(); {
		case errors.Is(err, io.EOF):
			return nil
		case opened != opening:
			return errNotJSON
		}
		if err := inside(); err != nil {
			return err
		}
		if err := end(d, "it"); err != nil {
			return err
		}
	}
}

var errNotJSON = errors.New("it is not valid JSON")

// end reads the end of an array or an object. A decoder that says that there is no more may
// be at the end of a file that was cut.
func end(d *decoder, name string) error {
	switch _, err := d.Token(); {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s does not end", name)
	default:
		return errNotJSON
	}
}

// firstOf returns the first character that is not white space.
func firstOf(in *bufio.Reader) (byte, error) {
	for {
		next, err := in.Peek(1)
		switch {
		case errors.Is(err, io.EOF):
			return 0, errors.New("it is empty")
		case err != nil:
			return 0, err
		case strings.Contains(" \t\r\n", string(next)):
			_, _ = in.Discard(1)
		default:
			return next[0], nil
		}
	}
}

// objects passes the objects of a stream, or of an array that has been opened. It counts
// them on from n.
func objects(d *decoder, n *int64, visit func(n int64, r record) error) error {
	d.UseNumber()
	for d.Next(); d.More(); d.Next() {
		*n++
		var r record
		if err := d.Decode(&r); err != nil || r == nil {
			return notJSON(*n, err)
		}
		if err := visit(*n, r); err != nil {
			return err
		}
	}
	return nil
}

// notJSON says where a file is wrong. The text of an error may have a part of the file.
func notJSON(n int64, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("it ends within record %d", n)
	}
	return fmt.Errorf("record %d is no JSON object", n)
}

// members passes the objects of the arrays of these names in one JSON object, or in several
// such objects one after another, and leaves out all else. Records are counted for each name.
func members(in *bufio.Reader, visit map[string]func(n int64, r record) error) error {
	first, err := firstOf(in)
	if err != nil {
		return err
	}
	if first != '{' {
		return errors.New("it is no JSON object")
	}
	d, counts := newDecoder(in), map[string]*int64{}
	for name := range visit {
		counts[name] = new(int64)
	}
	return d.Or(each(d, '{', func() error {
		for d.More() {
			if err := member(d, counts, visit); err != nil {
				return err
			}
		}
		return nil
	}))
}

// member reads one member of an object.
func member(d *decoder, counts map[string]*int64, visit map[string]func(n int64, r record) error) error {
	token, err := d.Token()
	name, ok := token.(string)
	if err != nil || !ok {
		return errNotJSON
	}
	if visit[name] == nil {
		return skip(d)
	}
	switch opened, err := d.Token(); {
	case err != nil:
		return errNotJSON
	case opened == nil:
		return nil
	case opened != json.Delim('['):
		return fmt.Errorf("its %s is no array", name)
	}
	if err := objects(d, counts[name], visit[name]); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return end(d, "its "+name)
}

// skip reads a value, whatever its size, and forgets it.
func skip(d *decoder) error {
	for depth := 0; ; {
		d.Next()
		token, err := d.Token()
		if err != nil || depth > maxDepth {
			return errNotJSON
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// table passes the lines of a CSV file. Its first line has the names of the columns, unless
// they are given. Columns without a name are left out.
func table(in io.Reader, columns []string, visit func(n int64, r record) error) error {
	bounded := moving.NewBounded(in, maxRecord)
	t := csv.NewReader(bounded)
	t.ReuseRecord = true
	if columns == nil {
		header, err := t.Read()
		if err != nil {
			return fmt.Errorf("line 1: %w", err)
		}
		for _, name := range header {
			columns = append(columns, strings.TrimSpace(name))
		}
	} else {
		t.FieldsPerRecord = -1
	}
	for {
		bounded.Next()
		values, err := t.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err // it has the line, and no value
		}
		line, _ := t.FieldPos(0)
		r := make(record, len(columns))
		for i, value := range values {
			none := value == `\N` || value == "NULL" // as MySQL and its tools write it
			if i < len(columns) && columns[i] != "" && !none {
				r[columns[i]] = value
			}
		}
		if err := visit(int64(line), r); err != nil {
			return err
		}
	}
}
