package httpapi

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"guildhall/platform/fault"
)

// inputField is one value of an input struct. Its tag (path, query or json) gives its
// source and its name.
type inputField struct {
	index    []int
	source   string
	name     string
	typ      reflect.Type
	required bool
	nullable bool
	most     int          // items of a list
	members  []inputField // of each item, if these are objects
}

// input is the plan for decoding one input type. It is built when the route is registered.
type input struct {
	path, query, body []inputField
	takesBody         bool // whether its method has a body, even if it has no known member
	bodyRequired      bool
	accepted          accepted
}

// conditional is an input in which one member decides which others are required.
type conditional interface {
	// Missing returns the required members of the body that were not given.
	Missing() []string
}

// planInput panics at start-up for a field that no request could set.
func planInput(t reflect.Type, method string, accepts accepted) input {
	in := input{accepted: accepts, takesBody: method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch}
	_, in.bodyRequired = reflect.New(t).Interface().(conditional)
	in.path, in.query, in.body = fieldsOf(t, "path"), fieldsOf(t, "query"), fieldsOf(t, "json")
	in.bodyRequired = in.bodyRequired || slices.ContainsFunc(in.body, func(f inputField) bool { return f.required })
	if accepts.csv {
		in.rows() // panics without a list of objects
	}
	return in
}

// fieldsOf returns the fields of a struct that have a tag: path, query or json.
func fieldsOf(t reflect.Type, source string) (fields []inputField) {
	for _, sf := range reflect.VisibleFields(t) {
		if sf.Anonymous || !sf.IsExported() {
			continue
		}
		one := sf.Type
		if isList(one) {
			one = one.Elem()
		}
		_, inBody := sf.Tag.Lookup("json")
		isObject := isList(sf.Type) && inBody && one.Kind() == reflect.Struct && !isText(one)
		if !isText(one) && !isObject {
			panic(fmt.Sprintf("httpapi: %s.%s is a %s, which is not read from text: use a type of platform/field", t, sf.Name, sf.Type))
		}
		tag, ok := sf.Tag.Lookup(source)
		if !ok {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		f := inputField{
			index:  sf.Index,
			source: map[string]string{"path": "path.", "query": "query.", "json": "body."}[source],
			name:   name,
			typ:    sf.Type,
			// As in the OpenAPI document, an optional member is marked omitempty.
			required: source == "path" || (source == "json" && options != "omitempty"),
		}
		if isList(sf.Type) {
			f.most = mostItems(sf)
		}
		if isObject {
			f.members = fieldsOf(one, source)
		}
		_, f.nullable = reflect.New(sf.Type).Interface().(nullable)
		fields = append(fields, f)
	}
	return fields
}

// decode fills target (a pointer to the input struct) from every source. Its error lists
// all invalid values together.
func (in *input) decode(c *gin.Context, body requestBody, target reflect.Value) error {
	var bad []fault.Field
	report := func(f inputField, err error) {
		bad = append(bad, fault.Field{Location: f.source + f.name, Problem: problemIn(err)})
	}
	for _, f := range in.path {
		if err := setText(target.FieldByIndex(f.index), c.Param(f.name)); err != nil {
			report(f, err)
		}
	}
	if c.Request.URL.RawQuery != "" {
		values, err := url.ParseQuery(c.Request.URL.RawQuery)
		if err != nil {
			return errMalformedQuery.WithCause(err)
		}
		in.decodeTexts(in.query, values, target, report)
		bad = append(bad, in.unknownParameters(values)...)
	}
	if in.takesBody {
		if err := in.decodeBody(body, target, report, &bad); err != nil {
			return err
		}
	}
	if c, ok := target.Addr().Interface().(conditional); ok {
		for _, name := range c.Missing() {
			location := "body." + name
			reported := slices.ContainsFunc(bad, func(f fault.Field) bool { return f.Location == location })
			if !reported { // already, as null or as a duplicate
				bad = append(bad, fault.Field{Location: location, Problem: fault.Required})
			}
		}
	}
	if len(bad) > 0 {
		return errInvalid.WithFields(bad...)
	}
	return nil
}

// decodeTexts decodes queries and forms. It refuses a repeated name, because two programs
// may use different values of it.
func (in *input) decodeTexts(fields []inputField, values url.Values, target reflect.Value, report func(inputField, error)) {
	for _, f := range fields {
		given := values[f.name]
		switch {
		case len(given) == 0 && f.required:
			report(f, fault.Required)
		case len(given) > 0 && isList(f.typ):
			decodeTextList(f, given, target.FieldByIndex(f.index), report)
		case len(given) > 1:
			report(f, fault.Repeated)
		case len(given) == 1:
			if err := setText(target.FieldByIndex(f.index), given[0]); err != nil {
				report(f, err)
			}
		}
	}
}

// unknownParameters refuses unknown parameters, because a mistyped filter must not be
// ignored. It accepts those that caches and marketing campaigns add to any URL.
func (in *input) unknownParameters(values url.Values) (bad []fault.Field) {
	for _, f := range in.query {
		delete(values, f.name)
	}
	if len(values) == 0 {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if strings.HasPrefix(name, "_") || strings.HasPrefix(name, "utm_") {
			continue
		}
		if len(bad) < maxUnknown {
			bad = append(bad, fault.Field{Location: "query." + clip(name), Problem: fault.UnknownParameter})
		}
	}
	return bad
}

// dropEmpty removes parameters without a value (RFC 6749 §3.2).
func dropEmpty(form url.Values) {
	maps.DeleteFunc(form, func(_ string, given []string) bool { return len(given) == 1 && given[0] == "" })
}

func (in *input) decodeBody(body requestBody, target reflect.Value, report func(inputField, error), bad *[]fault.Field) error {
	if body.kind == formBody {
		values, err := url.ParseQuery(string(body.bytes))
		if err != nil {
			return errMalformedForm.WithCause(err)
		}
		dropEmpty(values)
		in.decodeTexts(in.body, values, target, report)
		return nil
	}
	if body.kind == csvBody {
		return in.decodeCSV(body.bytes, target, bad)
	}
	if in.bodyRequired && len(bytes.Trim(body.bytes, " \t\r\n")) == 0 { // the white space of JSON (RFC 8259 §2)
		return errEmptyBody
	}
	if len(body.bytes) == 0 {
		return nil
	}
	members, err := parseObject(body.bytes)
	if err != nil {
		return err
	}
	*bad = append(*bad, decodeMembers(in.body, members, target, "body.", report)...)
	return nil
}

// decodeMembers decodes the members of an object. It returns those that are unknown.
func decodeMembers(fields []inputField, members map[string]jsontext.Value, target reflect.Value, prefix string, report func(inputField, error)) (bad []fault.Field) {
	for _, f := range fields {
		raw, given := members[f.name]
		delete(members, f.name)
		switch {
		case !given && f.required:
			report(f, fault.Required)
		case !given:
		case raw.Kind() == 'n' && !f.nullable:
			report(f, fault.Null)
		case f.members != nil:
			bad = append(bad, decodeObjects(f, raw, target.FieldByIndex(f.index), report)...)
		case isList(f.typ):
			decodeJSONList(f, raw, target.FieldByIndex(f.index), report)
		default:
			if err := setJSON(target.FieldByIndex(f.index), raw); err != nil {
				report(f, err)
			}
		}
	}
	unknown := slices.Sorted(maps.Keys(members))
	for _, name := range unknown[:min(len(unknown), maxUnknown)] {
		bad = append(bad, fault.Field{Location: prefix + clip(name), Problem: fault.UnknownField})
	}
	return bad
}

// maxUnknown limits the unknown fields or parameters that a response names, so that it is
// not larger than the request.
const maxUnknown = 8

// parseObject refuses what encoding/json silently accepts: repeated names, invalid UTF-8,
// and any value other than one object.
func parseObject(body []byte) (map[string]jsontext.Value, error) {
	var members map[string]jsontext.Value
	err := json.Unmarshal(body, &members, jsontext.AllowInvalidUTF8(true))
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		location := "body"
		if errors.As(err, &syntax) {
			location += "." + clip(syntax.JSONPointer.LastToken())
		}
		return nil, Invalid(location, fault.Repeated)
	case errors.As(err, &syntax), err != nil && !wellFormed(body):
		return nil, errMalformedBody.WithCause(err)
	case err != nil || members == nil:
		return nil, Invalid("body", fault.NotAnObject)
	case !utf8.Valid(body):
		return nil, Invalid("body", fault.NotUTF8)
	}
	return members, nil
}

// wellFormed checks the whole body after its first value was refused.
func wellFormed(body []byte) bool {
	return jsontext.Value(body).IsValid(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
}

// problemIn returns what the client sees about a value that can't be decoded.
func problemIn(err error) fault.Problem {
	var p fault.Problem
	if errors.As(err, &p) {
		return p
	}
	return fault.Unacceptable
}

// nullable is a field.Nullable of any type.
type nullable interface {
	Null()
	Fill() any
}

// number is a value that is a number in JSON, such as field.Hours.
type number interface{ Number() }

func isNumber(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	_, is := reflect.New(t).Interface().(number)
	return is
}

// object is a value that is an object in JSON, such as field.Document.
type object interface{ Object() }

func isDocument(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	_, is := reflect.New(t).Interface().(object)
	return is
}

// setJSON sets one value from a member of the body. All values of the API are strings,
// booleans and whole numbers, and arrays of them and of objects, except for a field.Document.
func setJSON(v reflect.Value, raw jsontext.Value) error {
	if n, ok := v.Addr().Interface().(nullable); ok {
		if raw.Kind() == 'n' {
			n.Null()
			return nil
		}
		v = reflect.ValueOf(n.Fill()).Elem()
	}
	if v.Kind() == reflect.Bool || v.Kind() == reflect.Pointer && v.Type().Elem().Kind() == reflect.Bool {
		if raw.Kind() != 't' && raw.Kind() != 'f' {
			return fault.NotABoolean
		}
		return setText(v, string(raw))
	}
	if isNumber(v.Type()) { // which refuses the text of any other value
		return setText(v, string(raw))
	}
	if isDocument(v.Type()) {
		if raw.Kind() != '{' {
			return fault.NotAnObject
		}
		return setText(v, string(raw))
	}
	if raw.Kind() != '"' {
		return fault.NotAString
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return fault.NotUTF8 // an escaped lone surrogate
	}
	return setText(v, text)
}

// setText sets one value from text.
func setText(v reflect.Value, text string) error {
	if n, ok := v.Addr().Interface().(nullable); ok {
		v = reflect.ValueOf(n.Fill()).Elem()
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch target := v.Addr().Interface().(type) {
	case *uuid.UUID:
		id, err := parseID(text)
		*target = id
		return err
	case encoding.TextUnmarshaler:
		return target.UnmarshalText([]byte(text))
	case *bool:
		return setBool(target, text)
	default:
		panic("httpapi: no way to read a " + v.Type().String() + " from text")
	}
}

// isText reports whether setText can set a value of a type.
func isText(t reflect.Type) bool {
	if n, ok := reflect.New(t).Interface().(nullable); ok {
		t = reflect.TypeOf(n.Fill()).Elem()
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch reflect.New(t).Interface().(type) {
	case *uuid.UUID, encoding.TextUnmarshaler, *bool:
		return true
	}
	return false
}

// setBool also accepts Python's spellings and digits, as the FastAPI service did.
func setBool(target *bool, text string) error {
	switch text {
	case "true", "True", "1":
		*target = true
	case "false", "False", "0":
		*target = false
	default:
		return fault.NotABoolean
	}
	return nil
}

// parseID accepts only the canonical form: uuid.Parse also accepts braces, URNs and bare
// hexadecimals, which would be other names of the same resource.
func parseID(text string) (uuid.UUID, error) {
	if len(text) != 36 {
		return uuid.Nil, fault.NotAUUID
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.Nil, fault.NotAUUID
	}
	return id, nil
}

// clip shortens a client's text, so that a response does not repeat more than a name.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
