package httpapi

import (
	"bytes"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"
)

// orderPaths sorts the paths of an OpenAPI document in the order in which the modules
// declare their routes, which follows their use by a client. The library has them in a map
// and writes them by name.
func orderPaths(document []byte, operations []operation) ([]byte, error) {
	var members []member
	if err := json.Unmarshal(document, &members, asMembers); err != nil {
		return nil, err
	}
	at := slices.IndexFunc(members, func(m member) bool { return m.name == "paths" })
	var paths []member
	if err := json.Unmarshal(members[at].value, &paths, asMembers); err != nil {
		return nil, err
	}
	place := map[string]int{}
	for i, op := range operations {
		if path := bracePath(op.path); place[path] == 0 {
			place[path] = i + 1
		}
	}
	slices.SortStableFunc(paths, func(a, b member) int { return place[a.name] - place[b.name] })
	var err error
	if members[at].value, err = json.Marshal(paths, fromMembers); err != nil {
		return nil, err
	}
	return json.Marshal(members, fromMembers)
}

// member is a member of a JSON object. A []member has all of them, in order.
type member struct {
	name  string
	value jsontext.Value
}

var asMembers = json.WithUnmarshalers(json.UnmarshalFromFunc(func(d *jsontext.Decoder, members *[]member) error {
	if _, err := d.ReadToken(); err != nil { // {
		return err
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		m := member{name: name.String()}
		if m.value, err = d.ReadValue(); err != nil {
			return err
		}
		m.value = m.value.Clone()
		*members = append(*members, m)
	}
	_, err := d.ReadToken()
	return err
}))

var fromMembers = json.WithMarshalers(json.MarshalToFunc(func(e *jsontext.Encoder, members []member) error {
	if err := e.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	for _, m := range members {
		if err := e.WriteToken(jsontext.String(m.name)); err != nil {
			return err
		}
		if err := e.WriteValue(m.value); err != nil {
			return err
		}
	}
	return e.WriteToken(jsontext.EndObject)
}))

// yamlOf converts JSON to YAML in block style. JSON is valid YAML already.
func yamlOf(document []byte) ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(document, &root); err != nil {
		return nil, err
	}
	plain(&root)
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(&root); err != nil {
		return nil, err
	}
	return b.Bytes(), e.Close()
}

// plain removes the JSON style from a node. Strings stay strings: the encoder quotes them
// where they would be read as another type.
func plain(n *yaml.Node) {
	n.Style = 0
	for _, child := range n.Content {
		plain(child)
	}
}
