package systems

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"guildhall/platform/moving"
)

func reading(content string) *bufio.Reader { return bufio.NewReader(strings.NewReader(content)) }

// listed returns the ids of the records, each with its number.
func listed(content string) (list string, err error) {
	err = records(reading(content), func(n int64, r record) error {
		list += fmt.Sprintf("%d:%s ", n, r.text("id"))
		return nil
	})
	return strings.TrimSpace(list), err
}

func TestRecords(t *testing.T) {
	for _, c := range []struct{ name, content, want, problem string }{
		{"CSV", "id,name\na,A\nb,\"two\nlines\"\nc,C\n", "2:a 3:b 5:c", ""},
		{"CSV with spaces in the header", " id , name \na,A\r\n", "2:a", ""},
		{"CSV with only a header", "id,name\n", "", ""},
		{"lines", `{"id":"a"}` + "\n\n" + `{"id":"b"}`, "1:a 2:b", ""},
		{"lines of several objects", ` {"id":"a"} {"id":"b"}`, "1:a 2:b", ""},
		{"an array", "\n [ {\"id\":\"a\"},\n{\"id\":\"b\"} ] \n", "1:a 2:b", ""},
		{"an empty array", "[]", "", ""},
		{"several arrays", `[{"id":"a"}]` + "\n" + `[{"id":"b"},{"id":"c"}]`, "1:a 2:b 3:c", ""},
		{"a number beyond 2^53", `[{"id":9007199254740993},{"id":123456789012345678901234567890}]`, "1:9007199254740993 2:123456789012345678901234567890", ""},

		{"nothing", "", "", "it is empty"},
		{"white space", " \r\n\t", "", "it is empty"},
		{"a CSV file that was cut", "id,name\na,A\nb,\"secr", "2:a", `parse error on line 3, column 8: extraneous or missing " in quoted-field`},
		{"CSV with too few values", "id,name\na,A\nsecret\n", "2:a", "record on line 3: wrong number of fields"},
		{"lines that were cut", `{"id":"a"}` + "\n" + `{"id":"secr`, "1:a", "it ends within record 2"},
		{"lines that were cut after a value", `{"id":"a"}` + "\n" + `{"id":"secret"`, "1:a", "it ends within record 2"},
		{"an array that was cut", `[{"id":"a"},{"id":"secr`, "1:a", "it ends within record 2"},
		{"an array that was cut between records", `[{"id":"a"}`, "1:a", "it does not end"},
		{"an array that was cut after a comma", `[{"id":"a"},`, "1:a", "it ends within record 2"},
		{"an array that ends like an object", `[{"id":"a"}}`, "1:a", "it is not valid JSON"},
		{"text after an array", `[{"id":"a"}] secret`, "1:a", "it is not valid JSON"},
		{"a bracket between lines", `{"id":"a"}` + "\n]\n" + `{"id":"b"}`, "1:a", "after record 1 it is not valid JSON"},
		{"a number among lines", `{"id":"a"}` + "\n42\n", "1:a", "record 2 is no JSON object"},
		{"a text in an array", `[{"id":"a"},"secret"]`, "1:a", "record 2 is no JSON object"},
		{"an array in an array", `[["secret"]]`, "", "record 1 is no JSON object"},
		{"null in an array", `[null]`, "", "record 1 is no JSON object"},
		{"no JSON", `[{"id":"a"},{secret}]`, "1:a", "record 2 is no JSON object"},
	} {
		got, err := listed(c.content)
		if got != c.want || c.problem == "" && err != nil || c.problem != "" && (err == nil || err.Error() != c.problem) {
			t.Errorf("%s: %q %v", c.name, got, err)
		}
	}
	enough := errors.New("enough")
	for _, content := range []string{"id\na\nb\n", `{"id":"a"}{"id":"b"}`, `[{"id":"a"},{"id":"b"}]`} {
		n := 0
		if err := records(reading(content), func(int64, record) error { n++; return enough }); n != 1 || !errors.Is(err, enough) {
			t.Errorf("%s: %d %v", content, n, err)
		}
	}
}

func TestMembers(t *testing.T) {
	for _, c := range []struct{ name, content, want, problem string }{
		{"other members", `{"realm":"r","roles":{"users":[{"id":"no"}],"n":[1,[2]]},"users":[{"id":"a"},{"id":"b"}],"x":null,"groups":[{"id":"g"}],"last":"}"}`, "users 1:a users 2:b groups 1:g", ""},
		{"none of them", `{"realm":"r"}`, "", ""},
		{"null", `{"users":null,"groups":[]}`, "", ""},
		{"several objects", `{"users":[{"id":"a"}]}` + "\n" + `{"groups":[{"id":"g"}],"users":[{"id":"b"}]}`, "users 1:a groups 1:g users 2:b", ""},

		{"nothing", "", "", "it is empty"},
		{"an array", `[{"users":[]}]`, "", "it is no JSON object"},
		{"CSV", "id,users", "", "it is no JSON object"},
		{"no array", `{"users":{"id":"secret"}}`, "", "its users is no array"},
		{"a text", `{"users":"secret"}`, "", "its users is no array"},
		{"cut in a record", `{"users":[{"id":"a"},{"id":"secr`, "users 1:a", "users: it ends within record 2"},
		{"cut after a record", `{"users":[{"id":"a"}`, "users 1:a", "its users does not end"},
		{"cut after an array", `{"users":[{"id":"a"}]`, "users 1:a", "it does not end"},
		{"cut in another member", `{"users":[{"id":"a"}],"x":{"y":"secr`, "users 1:a", "it is not valid JSON"},
		{"cut after a name", `{"users"`, "", "it is not valid JSON"},
		{"no object in the array", `{"users":[{"id":"a"},"secret"]}`, "users 1:a", "users: record 2 is no JSON object"},
		{"text after it", `{"users":[]} secret`, "", "it is not valid JSON"},
		{"an array after it", `{"users":[]} [1]`, "", "it is not valid JSON"},
	} {
		var list []string
		visit := func(name string) func(int64, record) error {
			return func(n int64, r record) error {
				list = append(list, fmt.Sprintf("%s %d:%s", name, n, r.text("id")))
				return nil
			}
		}
		err := members(reading(c.content), map[string]func(int64, record) error{"users": visit("users"), "groups": visit("groups")})
		if got := strings.Join(list, " "); got != c.want || c.problem == "" && err != nil || c.problem != "" && (err == nil || err.Error() != c.problem) {
			t.Errorf("%s: %q %v", c.name, got, err)
		}
	}
}

func TestTableWithoutAHeader(t *testing.T) {
	var list []record
	err := table(strings.NewReader("1,a,x,more\n2\n"), []string{"id", "name", ""}, func(n int64, r record) error {
		r["line"] = n
		list = append(list, maps.Clone(r))
		return nil
	})
	want := []record{{"id": "1", "name": "a", "line": int64(1)}, {"id": "2", "line": int64(2)}}
	if err != nil || !slices.EqualFunc(list, want, maps.Equal) {
		t.Errorf("%v %v", list, err)
	}
}

func TestMoments(t *testing.T) {
	const none = "none"
	for given, want := range map[any]string{
		"2024-05-01T10:20:30Z":             "2024-05-01T10:20:30Z",
		"2024-05-01T10:20:30.123456+02:00": "2024-05-01T08:20:30.123456Z",
		"2024-05-01T10:20:30.5":            "2024-05-01T10:20:30.5Z",
		"2024-05-01 10:20:30":              "2024-05-01T10:20:30Z",
		"2024-05-01 10:20:30.25+02:00":     "2024-05-01T08:20:30.25Z",
		"2024-05-01 10:20:30.25-05":        "2024-05-01T15:20:30.25Z",
		"2024-05-01 10:20:30 UTC":          "2024-05-01T10:20:30Z",
		"2024-05-01 10:20:30 +0200 CEST":   "2024-05-01T08:20:30Z",
		"2024-05-01 10:20:30.000000 Z":     "2024-05-01 10:20:30.000000 Z",
		"2024-05-01T10:20:30.123+0000":     "2024-05-01T10:20:30.123Z",
		"2024-05-01T10:20:30-0330":         "2024-05-01T13:50:30Z",
		"2024-05-01":                       "2024-05-01T00:00:00Z",
		" 2024-05-01 ":                     "2024-05-01T00:00:00Z",
		"1714558830":                       "2024-05-01T10:20:30Z",
		"1714558830.123":                   "2024-05-01T10:20:30.123Z",
		"1714558830123":                    "2024-05-01T10:20:30.123Z",
		"1.714558830123E9":                 "2024-05-01T10:20:30.123Z",
		"-86400":                           "1969-12-31T00:00:00Z",
		"-2208988800000":                   "1900-01-01T00:00:00Z",
		"0":                                "1970-01-01T00:00:00Z",
		"":                                 none,
		"0000-00-00 00:00:00":              none,
		"NaN":                              "NaN",
		"Inf":                              "Inf",
		"1e300":                            "1e300",
		"20240501102030000000":             "20240501102030000000",
		"yesterday":                        "yesterday",
		"2024-05-01 10:20:30 CET":          "2024-05-01 10:20:30 CET", // Go would take any name of a zone for UTC
		"2024-13-01T10:20:30Z":             "2024-13-01T10:20:30Z",
		time.Date(2024, 5, 1, 12, 20, 30, 5e6, time.FixedZone("", 7200)): "2024-05-01T10:20:30.005Z",
	} {
		got := none
		if v := (record{"at": given}).moment("at"); v != nil {
			got = *v
		}
		if got != want {
			t.Errorf("%v: %s", given, got)
		}
	}
	for given, want := range map[string]string{`1714558830`: "2024-05-01T10:20:30Z", `1714558830.001`: "2024-05-01T10:20:30.001Z", `1714558830999`: "2024-05-01T10:20:30.999Z", `null`: none} {
		err := records(reading(`{"at":`+given+`}`), func(_ int64, r record) error {
			got := none
			if v := r.moment("at"); v != nil {
				got = *v
			}
			if got != want {
				t.Errorf("%s: %s", given, got)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestFilesArePackedOrMarked reads a file that is packed with gzip and one with a byte order
// mark, several times. A packed file that was cut is refused.
func TestFilesArePackedOrMarked(t *testing.T) {
	const content = "\xef\xbb\xbf[{\"user_id\":\"auth0|1\",\"email\":\"ada@old.example\"}]"
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte(content))
	_ = w.Close()
	read := func(file []byte) (list []string, err error) {
		source := &moving.Source{Name: "users.json", File: bytes.NewReader(file)}
		if err := auth0.Files([]*moving.Source{source}, Options{}); err != nil {
			return nil, err
		}
		for range 2 {
			in, err := source.Unpacked()
			if err != nil {
				return nil, err
			}
			if err := source.Rows(context.Background(), in, func(n int64, r *moving.Row) error {
				list = append(list, fmt.Sprint(n, *r.ExternalID, *r.Email))
				return nil
			}); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	for _, file := range [][]byte{[]byte(content), packed.Bytes()} {
		list, err := read(file)
		if err != nil || len(list) != 2 || list[0] != "1auth0|1ada@old.example" || list[1] != list[0] {
			t.Errorf("%v %v", list, err)
		}
	}
	for _, size := range []int{12, packed.Len() / 2, packed.Len() - 9, packed.Len() - 1} {
		if list, err := read(packed.Bytes()[:size]); err == nil || !strings.HasPrefix(err.Error(), "users.json: ") {
			t.Errorf("cut after %d: %v %v", size, list, err)
		}
	}
}

// TestNoErrorHasAValueOfTheFile reads files that are wrong after each of their bytes with
// every system that has files.
func TestNoErrorHasAValueOfTheFile(t *testing.T) {
	contents := []string{
		`{"users":[{"id":"SECRET1","localId":"SECRET2","email":"SECRET3","credentials":[{"secretData":"SECRET4"}]}],"organizations":[{"id":"SECRET5","members":[{"username":"SECRET6"}]}],"Users":[{"Username":"SECRET7","Attributes":[{"Name":"email","Value":"SECRET8"}]}],"x":"SECRET9"}`,
		`[{"user_id":"SECRET1","email":"SECRET2","custom_password_hash":{"algorithm":"SECRET3","hash":{"value":"SECRET4"}}},{"id":"org_SECRET5","members":[{"user_id":"SECRET6"}]}]`,
		"id,email,name\nSECRET1,SECRET2,\"SECRET3\"\nSECRET4,\"SECRET5\nSECRET6\",SECRET7\n",
	}
	wrong := 0
	for _, s := range all {
		if s.files == nil {
			continue
		}
		for _, content := range contents {
			for i := range len(content) {
				for _, broken := range []string{content[:i], content[:i] + "\"" + content[i:], content[:i] + "]" + content[i:], content[:i] + "\x00" + content[i:]} {
					r := s.files(Options{})
					err := r.learn(reading(broken))
					if err == nil {
						err = r.rows(reading(broken), func(int64, *moving.Row) error { return nil })
					}
					if err == nil {
						continue
					}
					if wrong++; strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "invalid character") {
						t.Fatalf("%s of %s: %v", s.Name, broken, err)
					}
				}
			}
		}
	}
	if wrong < 1000 {
		t.Errorf("only %d files were wrong", wrong)
	}
}
