package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
	"github.com/swaggest/jsonschema-go"
	"github.com/swaggest/openapi-go"
	"github.com/swaggest/openapi-go/openapi31"

	"guildhall/platform/access"
	"guildhall/platform/database"
	"guildhall/platform/fault"
	"guildhall/platform/field"
	"guildhall/platform/idempotency"
)

// operation describes a route.
type operation struct {
	method, path string
	rule         access.Rule
	doc          Doc
	tag          string
	in           input
	input        any // pointer to the zero input
	output       any
}

// document is the OpenAPI document in both encodings.
type document struct{ json, yaml []byte }

const description = `Users, organizations and the roles between them.

Log in at ` + "`/auth/token`" + `, send the access token as ` + "`Authorization: Bearer …`" + `. The token names the
active organization; ` + "`X-Organization-ID`" + ` overrides it for one request. Role and standing are read on
every request, so that a removal, a suspension or a logout takes effect on the very next one.

Every error is ` + "`application/problem+json`" + ` (RFC 9457) with a stable ` + "`code`" + `; where a form was sent, it is the
same with OAuth 2.0's ` + "`error`" + ` and ` + "`error_description`" + `, as ` + "`application/json`" + `. What you may not see and
what does not exist answer the same ` + "`404`" + `.

` + "`detail`" + ` and the ` + "`message`" + ` of each invalid value are whole sentences that you can show to people, in English or, with
` + "`Accept-Language: de`" + `, in German.

A query parameter that an operation does not list is refused with ` + "`422`" + `, and so is one that is given twice; those whose
names begin with ` + "`_`" + ` or ` + "`utm_`" + ` are ignored.`

// JSON returns the OpenAPI 3.1 document, which is built once from the routes.
func (a *API) JSON() ([]byte, error) {
	d, err := a.document()
	if err != nil {
		return nil, err
	}
	return d.json, nil
}

// YAML returns the same document as YAML.
func (a *API) YAML() ([]byte, error) {
	d, err := a.document()
	if err != nil {
		return nil, err
	}
	return d.yaml, nil
}

func (a *API) buildDocument() (*document, error) {
	b := newBuilder(a.version, a.tags, a.keys.Retention())
	for _, body := range []any{problem{}, tokenProblem{}} {
		if err := b.addProblem(body); err != nil {
			return nil, fmt.Errorf("describe problems: %w", err)
		}
	}
	for _, op := range a.operations {
		if err := b.add(op); err != nil {
			return nil, fmt.Errorf("describe %s %s: %w", op.method, op.path, err)
		}
	}
	if err := b.addErrorCodes(a.operations); err != nil {
		return nil, fmt.Errorf("describe the codes of errors: %w", err)
	}
	j, err := b.reflector.Spec.MarshalJSON()
	if err != nil {
		return nil, err
	}
	if j, err = orderPaths(j, a.operations); err != nil {
		return nil, err
	}
	y, err := yamlOf(j)
	if err != nil {
		return nil, err
	}
	return &document{json: j, yaml: y}, nil
}

type builder struct {
	reflector *openapi31.Reflector
	current   operation
	names     map[string]reflect.Type
	tags      map[string]string // of modules yet to be described
}

func newBuilder(version string, tags map[string]string, replay time.Duration) *builder {
	b := &builder{reflector: openapi31.NewReflector(), names: map[string]reflect.Type{}, tags: maps.Clone(tags)}
	spec := b.reflector.Spec
	spec.Info.WithTitle("Guildhall").WithVersion(version).WithDescription(description).
		WithLicense(openapi31.License{Name: "MIT", Identifier: new("MIT")})
	spec.WithServers(openapi31.Server{URL: "/"})
	components := spec.ComponentsEns()
	components.WithSecuritySchemesItem("bearer", openapi31.SecuritySchemeOrReference{SecurityScheme: (&openapi31.SecurityScheme{
		Description: new("An access token."),
		HTTPBearer:  &openapi31.SecuritySchemeHTTPBearer{Scheme: "bearer", BearerFormat: new("JWT")},
	})})
	components.WithSecuritySchemesItem("password", openapi31.SecuritySchemeOrReference{SecurityScheme: (&openapi31.SecurityScheme{
		Description: new("Log in with an email address and a password."),
		Oauth2: &openapi31.SecuritySchemeOauth2{Flows: openapi31.OauthFlows{Password: &openapi31.OauthFlowsDefsPassword{
			TokenURL: BasePath + "/auth/token", RefreshURL: new(BasePath + "/auth/token"), Scopes: map[string]string{},
		}}},
	})})
	for name, h := range map[string]openapi31.Header{
		requestIDHeader:    header("Identifies the request in the log.", "string"),
		"Location":         header("The path of the created resource, or in a 303 the URL to go on to.", "string"),
		"ETag":             header("The version that the answer shows (RFC 9110 §8.8.3), for If-Match and If-None-Match.", "string"),
		"Link":             header("`rel=\"next\"` if more items follow and, on a page by cursor, `rel=\"prev\"` if others are before it (RFC 8288).", "string"),
		"X-Total-Count":    header("The total number of items, with `count=true`.", "integer"),
		"WWW-Authenticate": header("A Bearer challenge (RFC 6750).", "string"),
		"Content-Language": header("The language of `title`, `detail` and `message`.", "string"),
		replayedHeader:     header("`true` if this is the stored response of an earlier request with the same Idempotency-Key.", "string"),
		"Retry-After":      header("Seconds to wait before trying again.", "integer"),
		"RateLimit":        header("What is left of a rate limit: `r` requests now, all of them in `t` seconds (draft-ietf-httpapi-ratelimit-headers).", "string"),
		"RateLimit-Policy": header("The rate limit: `q` requests at once, restored over `w` seconds.", "string"),
	} {
		components.WithHeadersItem(name, openapi31.HeaderOrReference{Header: &h})
	}
	components.WithParametersItem("X-Organization-ID", openapi31.ParameterOrReference{Parameter: &openapi31.Parameter{
		Name: "X-Organization-ID", In: openapi31.ParameterInHeader,
		Description: new("Overrides the active organization of the token for this request."),
		Schema:      map[string]any{"$ref": "#/components/schemas/UUID"},
	}})

	components.WithParametersItem(idempotencyKeyHeader, openapi31.ParameterOrReference{Parameter: &openapi31.Parameter{
		Name: idempotencyKeyHeader, In: openapi31.ParameterInHeader,
		Description: new(fmt.Sprintf("Makes it safe to send the request again: for %.0f h the same key and body are answered as the first time. Use a new UUID for each creation.", replay.Hours())),
		Schema:      map[string]any{"type": "string", "minLength": 1, "maxLength": 255},
	}})

	for name, text := range map[string]string{
		"If-Match":      "Change only this version: the ETag that was read before. Without it, the last change wins.",
		"If-None-Match": "Answer 304 if this is still the version: the ETag that was read before.",
	} {
		components.WithParametersItem(name, openapi31.ParameterOrReference{Parameter: &openapi31.Parameter{
			Name: name, In: openapi31.ParameterInHeader, Description: &text, Schema: map[string]any{"type": "string"},
		}})
	}

	id := jsonschema.Schema{}
	id.AddType(jsonschema.String)
	id.WithFormat("uuid").WithExamples("0193e3a8-5b7c-7d2e-9f10-2b3c4d5e6f70")
	b.reflector.AddTypeMapping(uuid.UUID{}, id)
	document := jsonschema.Schema{}
	document.AddType(jsonschema.Object)
	document.WithAdditionalProperties(*new(jsonschema.SchemaOrBool).WithTypeBoolean(true))
	b.reflector.AddTypeMapping(json.RawMessage{}, document)
	idOrNull := jsonschema.Schema{}
	idOrNull.WithAnyOf(new(jsonschema.Schema).WithRef("#/components/schemas/UUID").ToSchemaOrBool(), jsonschema.Null.ToSchemaOrBool())
	b.reflector.AddTypeMapping(uuid.NullUUID{}, idOrNull)
	b.reflector.DefaultOptions = append(b.reflector.DefaultOptions,
		jsonschema.InterceptDefName(func(t reflect.Type, _ string) string { return b.name(t) }),
		jsonschema.InterceptProp(describePresence),
		jsonschema.InterceptNullability(func(p jsonschema.InterceptNullabilityParams) {
			if kind := p.Type.Kind(); kind == reflect.Slice || kind == reflect.Map || isDocument(p.Type) { // [] or {}, never null
				p.Schema.RemoveType(jsonschema.Null)
			}
		}),
	)
	return b
}

// addProblem adds a schema that errors refer to.
func (b *builder) addProblem(body any) error {
	var failed error
	_, err := b.reflector.Reflect(body, jsonschema.RootRef,
		jsonschema.DefinitionsPrefix("#/components/schemas/"),
		jsonschema.CollectDefinitions(func(name string, schema jsonschema.Schema) {
			failed = errors.Join(failed, b.addSchema(name, schema))
		}))
	return errors.Join(err, failed)
}

// addErrorCodes lists the codes of all errors, those outside of any operation included, and
// those of invalid values.
func (b *builder) addErrorCodes(operations []operation) error {
	refusals := []*fault.Error{errRouteNotFound, errMethodNotAllowed, errNotReady}
	for _, op := range operations {
		refusals = append(refusals, op.refusals()...)
	}
	codes := map[string]bool{}
	for _, f := range refusals {
		codes[f.Code] = true
	}
	if err := b.addCodes("ErrorCode", slices.Sorted(maps.Keys(codes)), "Problem", "TokenProblem"); err != nil {
		return err
	}
	clear(codes)
	for _, p := range fault.Problems() {
		codes[p.Code] = true
	}
	return b.addCodes("FieldErrorCode", slices.Sorted(maps.Keys(codes)), "FieldError")
}

// addCodes adds the schema of a code and refers to it from other schemas, each of which
// has a member "code".
func (b *builder) addCodes(name string, codes []string, from ...string) error {
	for _, parent := range from {
		members := b.reflector.Spec.Components.Schemas[parent]["properties"].(map[string]any)
		members["code"] = map[string]any{"$ref": "#/components/schemas/" + name, "description": "Stable: programs can switch on it."}
	}
	return b.addSchema(name, field.OpenEnum(codes...))
}

func (b *builder) addSchema(name string, s jsonschema.Schema) error {
	simple, err := s.ToSchemaOrBool().ToSimpleMap()
	if err == nil {
		b.reflector.Spec.ComponentsEns().WithSchemasItem(name, simple)
	}
	return err
}

func header(text, jsonType string) openapi31.Header {
	return openapi31.Header{Description: &text, Schema: map[string]any{"type": jsonType}}
}

// describePresence documents every member by its tag and its type: it is required unless it
// is marked omitempty, and nullable if it is a required pointer. An absent value is not the
// same as null, which the decoder refuses.
func describePresence(p jsonschema.InterceptPropParams) error {
	if !p.Processed {
		return nil
	}
	tag, isMember := p.Field.Tag.Lookup("json")
	present := isMember && !strings.Contains(tag, ",omitempty")
	if present && !slices.Contains(p.ParentSchema.Required, p.Name) {
		p.ParentSchema.Required = append(p.ParentSchema.Required, p.Name)
	}
	schema, pointer := p.PropertySchema, p.Field.Type.Kind() == reflect.Pointer
	switch {
	case pointer && !present && schema.Ref == nil:
		schema.RemoveType(jsonschema.Null)
	case pointer && present && schema.Ref != nil: // a reference has no type to add null to
		var reference, null jsonschema.Schema
		reference.Ref, schema.Ref = schema.Ref, nil
		null.AddType(jsonschema.Null)
		schema.WithAnyOf(reference.ToSchemaOrBool(), null.ToSchemaOrBool())
	}
	return nil
}

// name returns the short name of a schema: "organizationView" becomes Organization, and the
// body of an operation is named after the operation.
func (b *builder) name(t reflect.Type) string {
	name := strings.TrimSuffix(t.Name(), "View")
	switch t {
	case reflect.TypeFor[fault.Params]():
		name = "FieldErrorParams"
	case reflect.TypeFor[field.All]():
		name = "ListScope"
	}
	if strings.HasSuffix(name, "Input") || strings.HasSuffix(name, "Path") {
		return upperFirst(b.current.doc.ID) + "Request"
	}
	name = upperFirst(name)
	if seen, ok := b.names[name]; ok && seen != t {
		panic(fmt.Sprintf("httpapi: both %s and %s would be the schema %s", seen, t, name))
	}
	b.names[name] = t
	return name
}

func upperFirst(s string) string {
	r := []rune(s)
	r[0] = unicode.ToUpper(r[0])
	return string(r)
}

func (b *builder) add(op operation) error {
	b.current = op
	if text, ok := b.tags[op.tag]; ok {
		delete(b.tags, op.tag)
		b.reflector.Spec.Tags = append(b.reflector.Spec.Tags, openapi31.Tag{Name: op.tag, Description: &text})
	}
	oc, err := b.reflector.NewOperationContext(op.method, bracePath(op.path))
	if err != nil {
		return err
	}
	o := oc.(openapi31.OperationExposer).Operation()
	o.WithID(op.doc.ID).WithTags(op.tag).WithSummary(op.doc.Summary)
	text := "**Who:** " + op.rule.String()
	if keys := op.rule.Keys(); keys != "" {
		text += ", " + keys
	}
	text += "."
	if op.doc.Description != "" {
		text += "\n\n" + op.doc.Description
	}
	if op.doc.MayLag {
		text += "\n\nWhere the service reads from standbys, what other sessions changed in the last few seconds may be missing."
	}
	o.WithDescription(text)
	oc.AddReqStructure(op.input)
	o.Security = []map[string][]string{{}} // no credential is needed
	switch {
	case op.doc.ForProxy:
		o.Security = []map[string][]string{{"bearer": {}}}
	case op.rule.Recognizes():
		o.Security = append(o.Security, map[string][]string{"bearer": {}}, map[string][]string{"password": {}})
	case !op.rule.IsPublic():
		o.Security = []map[string][]string{{"bearer": {}}, {"password": {}}}
	}
	status, body := success(op.output)
	oc.AddRespStructure(body, openapi.WithHTTPStatus(status))
	if a, may := op.output.(alternative); may {
		status, body, _ := a.otherwise()
		oc.AddRespStructure(body, openapi.WithHTTPStatus(status))
	}
	if err := b.reflector.AddOperation(oc); err != nil {
		return err
	}
	return b.reflector.Spec.SetupOperation(op.method, bracePath(op.path), func(o *openapi31.Operation) error {
		b.finishRequest(o, op)
		finishResponses(o, op, status)
		return nil
	})
}

func (b *builder) finishRequest(o *openapi31.Operation, op operation) {
	add := func(name string) {
		o.Parameters = append(o.Parameters, openapi31.ParameterOrReference{Reference: &openapi31.Reference{Ref: "#/components/parameters/" + name}})
	}
	if (!op.rule.IsPublic() || op.rule.Recognizes()) && !op.rule.InPath() {
		add("X-Organization-ID")
	}
	if _, creates := op.output.(creation); creates {
		add(idempotencyKeyHeader)
	}
	switch {
	case op.doc.Versioned && op.method == http.MethodGet:
		add("If-None-Match")
	case op.doc.Versioned:
		add("If-Match")
	}
	if o.RequestBody == nil || o.RequestBody.RequestBody == nil {
		return
	}
	body := o.RequestBody.RequestBody
	body.WithRequired(op.in.bodyRequired)
	schemas := b.reflector.Spec.Components.Schemas
	name := upperFirst(op.doc.ID) + "Request"
	if op.in.accepted.form { // in which unknown parameters are ignored (RFC 6749 §3.2)
		form := upperFirst(op.doc.ID) + "Form"
		schemas[form] = maps.Clone(schemas[name])
		inForm(schemas[form], op.in.body)
		body.Content[formMedia] = openapi31.MediaType{Schema: map[string]any{"$ref": "#/components/schemas/" + form}}
	}
	schemas[name]["additionalProperties"] = false
	for _, f := range op.in.body {
		if f.members != nil {
			schemas[upperFirst(f.typ.Elem().Name())]["additionalProperties"] = false
		}
	}
	if op.in.accepted.csv {
		var example, columns []string
		for _, f := range op.in.rows().members {
			columns = append(columns, f.name)
			example = append(example, reflect.Zero(op.in.rows().typ.Elem()).Type().FieldByIndex(f.index).Tag.Get("example"))
		}
		var value any = strings.Join(columns, ",") + "\r\n" + strings.Join(example, ",") + "\r\n"
		body.Content[csvMedia] = openapi31.MediaType{Schema: map[string]any{
			"type": "string", "description": "RFC 4180, in UTF-8. The first line names the columns; each other line is an item.",
		}, Example: &value}
	}
}

// inForm describes the objects of a body as a form has them: as their text.
func inForm(schema map[string]any, fields []inputField) {
	members := maps.Clone(schema["properties"].(map[string]any))
	for _, f := range fields {
		if !isDocument(f.typ) {
			continue
		}
		text := maps.Clone(members[f.name].(map[string]any))
		text["type"], text["contentMediaType"] = "string", "application/json"
		delete(text, "additionalProperties")
		members[f.name] = text
	}
	schema["properties"] = members
}

func finishResponses(o *openapi31.Operation, op operation, status int) {
	responses := o.ResponsesEns().MapOfResponseOrReferenceValues
	ok := responses[strconv.Itoa(status)].Response
	ok.Headers = headerRefs(requestIDHeader)
	if ok.Description == "" {
		ok.Description = http.StatusText(status)
	}
	if op.doc.Versioned && status == http.StatusOK {
		ok.Headers = headerRefs(requestIDHeader, "ETag")
		if op.method == http.MethodGet {
			responses[strconv.Itoa(http.StatusNotModified)] = openapi31.ResponseOrReference{Response: &openapi31.Response{
				Description: "The client has this version.", Headers: headerRefs(requestIDHeader, "ETag"),
			}}
		}
	}
	switch op.output.(type) {
	case SeeOther:
		ok.Headers = headerRefs(requestIDHeader, "Location")
	case creation:
		ok.Headers = headerRefs(requestIDHeader, "Location", replayedHeader)
	case paged:
		ok.Headers = headerRefs(requestIDHeader, "Link", "X-Total-Count")
	}
	if slices.ContainsFunc(op.doc.Refusals, func(f *fault.Error) bool { return f.Kind == fault.TooManyRequests }) {
		maps.Copy(ok.Headers, headerRefs("RateLimit", "RateLimit-Policy"))
	}
	if a, may := op.output.(alternative); may {
		status, _, _ := a.otherwise()
		other := responses[strconv.Itoa(status)].Response
		other.Description, other.Headers = http.StatusText(status), headerRefs(requestIDHeader)
	}
	byStatus := map[int][]*fault.Error{}
	for _, f := range op.refusals() {
		s := op.doc.status(f)
		if !slices.ContainsFunc(byStatus[s], func(g *fault.Error) bool { return g.Code == f.Code }) {
			byStatus[s] = append(byStatus[s], f)
		}
	}
	for status, refusals := range byStatus {
		responses[strconv.Itoa(status)] = openapi31.ResponseOrReference{Response: problemResponse(status, refusals, op.doc.errors())}
	}
}

func problemResponse(status int, refusals []*fault.Error, as errorForms) *openapi31.Response {
	r := &openapi31.Response{Headers: headerRefs(requestIDHeader, "Content-Language")}
	switch status {
	case http.StatusUnauthorized:
		maps.Copy(r.Headers, headerRefs("WWW-Authenticate"))
	case http.StatusTooManyRequests:
		maps.Copy(r.Headers, headerRefs("Retry-After", "RateLimit", "RateLimit-Policy"))
	case http.StatusServiceUnavailable:
		maps.Copy(r.Headers, headerRefs("Retry-After"))
	}
	examples, tokenExamples := map[string]openapi31.ExampleOrReference{}, map[string]openapi31.ExampleOrReference{}
	codes := make([]string, 0, len(refusals))
	for _, f := range refusals {
		codes = append(codes, "`"+f.Code+"`")
		if f.Code == errInvalid.Code {
			f = f.WithFields(fault.Field{Location: "body.name", Problem: fault.Required})
		}
		example := func(value any) openapi31.ExampleOrReference {
			return openapi31.ExampleOrReference{Example: &openapi31.Example{Summary: new(inEnglish.detail(f)), Value: &value}}
		}
		const id = "0193e3a8-5b7c-7d2e-9f10-2b3c4d5e6f70"
		examples[f.Code], tokenExamples[f.Code] = example(problemOf(f, status, id, inEnglish)), example(tokenProblemOf(f, status, id, inEnglish))
	}
	sort.Strings(codes)
	r.Description = http.StatusText(status) + ": " + strings.Join(codes, ", ") + "."
	r.Content = map[string]openapi31.MediaType{}
	if as.problem {
		r.Content["application/problem+json"] = openapi31.MediaType{
			Schema:   map[string]any{"$ref": "#/components/schemas/Problem"},
			Examples: examples,
		}
	}
	if as.oauth {
		r.Content["application/json"] = openapi31.MediaType{
			Schema:   map[string]any{"$ref": "#/components/schemas/TokenProblem"},
			Examples: tokenExamples,
		}
	}
	return r
}

// refusals returns every error that the route may answer: those of any route, those that
// its rule and its input imply, and those that the module declared.
func (op operation) refusals() []*fault.Error {
	list := []*fault.Error{errInternal, errTimeout, database.ErrUnavailable, errTwoMediaTypes, errMalformedQuery, errInvalid}
	if !op.rule.IsPublic() {
		list = append(list, access.ErrAuthenticationRequired, access.ErrInvalidToken)
	}
	list = append(list, op.rule.Refusals()...)
	if op.in.takesBody {
		_, tooLarge := op.in.accepted.limit()
		list = append(list, errMalformedBody, tooLarge, unsupported(op.in.accepted))
	}
	if _, creates := op.output.(creation); creates {
		list = append(list, idempotency.ErrInProgress, idempotency.ErrUnreadable, idempotency.ErrReused)
	}
	switch {
	case op.doc.Versioned && op.method != http.MethodGet:
		list = append(list, errPrecondition)
	case op.method != http.MethodGet:
		list = append(list, errNoVersions)
	}
	return append(list, op.doc.Refusals...)
}

func headerRefs(names ...string) map[string]openapi31.HeaderOrReference {
	refs := map[string]openapi31.HeaderOrReference{}
	for _, name := range names {
		refs[name] = openapi31.HeaderOrReference{Reference: &openapi31.Reference{Ref: "#/components/headers/" + name}}
	}
	return refs
}

// success returns the status and the body of the success response.
func success(output any) (int, any) {
	switch o := output.(type) {
	case NoContent:
		return http.StatusNoContent, nil
	case SeeOther:
		return http.StatusSeeOther, nil
	case acceptance:
		return http.StatusAccepted, o.accepted()
	case download:
		_, _, shape := o.download()
		return http.StatusOK, shape
	case issue:
		return http.StatusCreated, o.issued()
	case creation:
		_, body := o.created()
		return http.StatusCreated, body
	case paged:
		items, _, _ := o.page()
		return http.StatusOK, items
	default:
		return http.StatusOK, output
	}
}

// bracePath converts Gin's :name to OpenAPI's {name}.
func bracePath(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if name, ok := strings.CutPrefix(s, ":"); ok {
			segments[i] = "{" + name + "}"
		}
	}
	return strings.Join(segments, "/")
}
