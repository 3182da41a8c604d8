package httpapi

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"guildhall/platform/fault"
)

const csvMedia = "text/csv"

// Place is embedded in an item of a list of objects. It is where the item is in the
// request, for the refusals of a module.
type Place struct{ prefix, row string }

// Location returns the location of a member of the item: "body.invitations[3].email", or
// "row 5" of a CSV.
func (p Place) Location(member string) string {
	if p.row != "" {
		return p.row
	}
	return p.prefix + member
}

func (p *Place) setPlace(prefix, row string) { p.prefix, p.row = prefix, row }

type placed interface{ setPlace(prefix, row string) }

func place(item reflect.Value, prefix, row string) {
	if p, is := item.Addr().Interface().(placed); is {
		p.setPlace(prefix, row)
	}
}

// decodeObjects decodes an array of objects.
func decodeObjects(f inputField, raw jsontext.Value, target reflect.Value, report func(inputField, error)) (bad []fault.Field) {
	var items []jsontext.Value
	if raw.Kind() != '[' || json.Unmarshal(raw, &items) != nil {
		report(f, fault.NotAnArray)
		return nil
	}
	if len(items) > f.most {
		report(f, fault.TooManyItems.To(int64(f.most)))
		return nil
	}
	list := reflect.MakeSlice(f.typ, len(items), len(items))
	for i, raw := range items {
		location := Item(f.name, i)
		var members map[string]jsontext.Value
		if err := json.Unmarshal(raw, &members); err != nil || members == nil {
			bad = append(bad, fault.Field{Location: f.source + location, Problem: fault.NotAnObject})
			continue
		}
		prefix := f.source + location + "."
		place(list.Index(i), prefix, "")
		bad = append(bad, decodeMembers(f.members, members, list.Index(i), prefix, func(member inputField, err error) {
			member.source = prefix
			report(member, err)
		})...)
	}
	target.Set(list)
	return bad
}

// rows returns the list whose items the rows of a CSV are.
func (in *input) rows() inputField {
	i := slices.IndexFunc(in.body, func(f inputField) bool { return f.members != nil })
	if i < 0 {
		panic("httpapi: a route accepts text/csv, but its input has no list of objects")
	}
	return in.body[i]
}

// decodeCSV decodes a CSV (RFC 4180) in UTF-8. The header line names the columns, in any
// order and case; they are separated by commas or semicolons. An empty value of an optional column is absent. A row is located by its line, as a
// spreadsheet numbers them.
func (in *input) decodeCSV(body []byte, target reflect.Value, bad *[]fault.Field) error {
	if !utf8.Valid(body) {
		return Invalid("body", fault.NotUTF8)
	}
	f := in.rows()
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff"))))
	r.FieldsPerRecord = -1
	if first, _, _ := bytes.Cut(body, []byte("\n")); bytes.Contains(first, []byte(";")) {
		r.Comma = ';' // of spreadsheets in languages that write 1,5
	}
	header, err := r.Read()
	switch {
	case errors.Is(err, io.EOF):
		return errEmptyBody
	case err != nil:
		return errMalformedCSV.WithCause(err)
	}
	columns, ok := columnsOf(f, header)
	if !ok {
		return Invalid("row 1", fault.WrongHeader.Of(namesOf(f.members)...))
	}
	list := reflect.MakeSlice(f.typ, 0, 0)
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errMalformedCSV.WithCause(err)
		}
		if list.Len() == f.most {
			return Invalid("body", fault.TooManyItems.To(int64(f.most)))
		}
		line, _ := r.FieldPos(0)
		row := fmt.Sprint("row ", line)
		item := reflect.New(f.typ.Elem()).Elem()
		place(item, "", row)
		if len(record) != len(columns) {
			*bad = append(*bad, fault.Field{Location: row, Problem: fault.WrongColumns})
		} else {
			for i, column := range columns {
				if record[i] == "" && !column.required {
					continue
				}
				if err := setText(item.FieldByIndex(column.index), record[i]); err != nil {
					*bad = append(*bad, fault.Field{Location: row, Problem: problemIn(err)})
				}
			}
		}
		list = reflect.Append(list, item)
	}
	target.FieldByIndex(f.index).Set(list)
	return nil
}

// columnsOf returns the members that a header line names. It returns false if it names one
// that is unknown, names one twice, or omits a required one.
func columnsOf(f inputField, header []string) (columns []inputField, ok bool) {
	for at, name := range header {
		name = strings.ToLower(strings.TrimSpace(name))
		header[at] = name
		i := slices.IndexFunc(f.members, func(m inputField) bool { return m.name == name })
		if i < 0 || slices.ContainsFunc(columns, func(m inputField) bool { return m.name == name }) {
			return nil, false
		}
		columns = append(columns, f.members[i])
	}
	omitted := slices.ContainsFunc(f.members, func(m inputField) bool { return m.required && !slices.Contains(header, m.name) })
	return columns, !omitted
}

func namesOf(fields []inputField) []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return names
}
