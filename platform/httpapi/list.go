package httpapi

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"guildhall/platform/fault"
)

// isList reports whether an input has several values: a parameter that may be repeated, or
// an array in the body.
func isList(t reflect.Type) bool { return t.Kind() == reflect.Slice }

// mostItems returns the limit of a list, which also is in the OpenAPI document.
func mostItems(f reflect.StructField) int {
	most, err := strconv.Atoi(f.Tag.Get("maxItems"))
	if err != nil {
		panic(fmt.Sprintf("httpapi: the list %s has no maxItems", f.Name))
	}
	return most
}

// decodeTextList decodes a query parameter that is repeated, or whose values are separated
// by commas.
func decodeTextList(f inputField, given []string, target reflect.Value, report func(inputField, error)) {
	items := strings.Split(strings.Join(given, ","), ",")
	decodeItems(f, len(items), target, report, func(v reflect.Value, i int) error { return setText(v, items[i]) })
}

// decodeJSONList decodes an array.
func decodeJSONList(f inputField, raw jsontext.Value, target reflect.Value, report func(inputField, error)) {
	var items []jsontext.Value
	if raw.Kind() != '[' || json.Unmarshal(raw, &items) != nil {
		report(f, fault.NotAnArray)
		return
	}
	decodeItems(f, len(items), target, report, func(v reflect.Value, i int) error { return setJSON(v, items[i]) })
}

func decodeItems(f inputField, n int, target reflect.Value, report func(inputField, error), set func(v reflect.Value, i int) error) {
	if n > f.most {
		report(f, fault.TooManyItems.To(int64(f.most)))
		return
	}
	list := reflect.MakeSlice(f.typ, n, n)
	for i := range n {
		if err := set(list.Index(i), i); err != nil {
			item := f
			item.name = Item(f.name, i)
			report(item, err)
		}
	}
	target.Set(list)
}

// Item returns the location of an item of a list: "body.emails[3]".
func Item(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }
