package transfer

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"guildhall/modules/membership"   //nolint:depguard // its lines are what is tested
	"guildhall/modules/organization" //nolint:depguard // its lines are what is tested
	"guildhall/modules/user"         //nolint:depguard // its lines are what is tested
	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/password"
	"guildhall/platform/schema"
)

const (
	theOrganization = "01900000-0000-7000-8000-000000000001"
	ada             = "01900000-0000-7000-8000-00000000000a"
	grace           = "01900000-0000-7000-8000-00000000000b"
	eve             = "01900000-0000-7000-8000-00000000000e"
)

var theTime = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// good is an archive without its last line: Ada owns the organization, Grace is an
// admin, and Eve has left.
func good() []string {
	at := "2026-01-02T03:04:05.000006Z"
	lines := []string{
		`{"type":"archive","format":"guildhall-organization","version":1,"exported_at":"2026-11-24T12:00:00Z","guildhall":"dev","organization_id":"` + theOrganization + `","password_hashes":true}`,
	}
	for _, p := range [][2]string{{ada, "Ada@example.com"}, {eve, "eve@example.com"}, {grace, "grace@example.com"}} {
		lines = append(lines, fmt.Sprintf(`{"type":"person","id":"%s","email":"%s","name":"N","bio":null,"avatar_url":"https://example.com/a.png","created_at":"%s","updated_at":"%s","password_hash":null}`, p[0], p[1], at, at))
	}
	lines = append(lines,
		`{"type":"organization","name":"Guild","created_at":"`+at+`","updated_at":"`+at+`"}`,
		`{"type":"organization_active_status","id":"`+ada+`","activated_at":"`+at+`","activated_by":"`+ada+`","deactivated_at":null,"deactivated_by":null}`,
		`{"type":"organization_suspension","id":"`+ada+`","reason":"r","by_operator":true,"suspended_at":"`+at+`","suspended_by":"`+ada+`","suspended_until":"2099-01-01T00:00:00Z","lifted_at":null,"lifted_by":null}`,
		`{"type":"organization_archive","id":"`+ada+`","reason":"r","archived_at":"`+at+`","archived_by":"`+ada+`","restored_at":"`+at+`","restored_by":"`+ada+`","restore_reason":null}`,
		`{"type":"member","user_id":"`+ada+`","joined_at":"`+at+`"}`,
		`{"type":"member","user_id":"`+grace+`","joined_at":"`+at+`"}`,
		`{"type":"admin","user_id":"`+grace+`","granted_at":"`+at+`","granted_by":"`+ada+`"}`,
		`{"type":"owner","user_id":"`+ada+`","since":"`+at+`"}`,
		`{"type":"user_active_status","id":"`+ada+`","user_id":"`+ada+`","activated_at":"`+at+`","activated_by":null,"deactivated_at":null,"deactivated_by":null}`,
		`{"type":"user_active_status","id":"`+grace+`","user_id":"`+grace+`","activated_at":"`+at+`","activated_by":null,"deactivated_at":null,"deactivated_by":null}`,
		`{"type":"user_suspension","id":"`+ada+`","user_id":"`+grace+`","reason":"r","suspended_at":"`+at+`","suspended_by":"`+eve+`","suspended_until":null,"lifted_at":null,"lifted_by":null}`,
	)
	lines = append(lines, `{"type":"audit_chain","first_sequence":1,"first_hash":null}`)
	before := ""
	for i := range 2 {
		e := audit.Recorded{
			Sequence: int64(i + 1), ID: uuid.MustParse(eve), OccurredAt: theTime, Action: audit.MemberAdded,
			OrganizationID: audit.In(uuid.MustParse(theOrganization)), ActorRole: "owner", Details: "{}",
		}
		before = e.HashAfter(uuid.MustParse(theOrganization), before)
		lines = append(lines, fmt.Sprintf(`{"type":"audit_event","sequence":%d,"id":"%s","occurred_at":"2026-11-24T12:00:00Z","action":"member.added","user_id":null,"actor_user_id":null,"actor_role":"owner","session_id":null,"address":"","client":"","request_id":"","details":"{}","hash":"%s"}`, i+1, eve, before))
	}
	return lines
}

// forgotten is an archive whose first audit events retention has deleted.
func forgotten(lines []string, events int) []string {
	_, hash, _ := strings.Cut(lines[16+events-1], `"hash":`)
	lines[15] = fmt.Sprintf(`{"type":"audit_chain","first_sequence":%d,"first_hash":%s`, events+1, hash)
	return slices.Delete(lines, 16, 16+events)
}

// ended is a complete archive, uncompressed.
func ended(lines []string) string {
	content := strings.Join(lines, "\n") + "\n"
	sum := sha256.Sum256([]byte(content))
	return content + fmt.Sprintf(`{"type":"end","lines":%d,"sha256":"%s"}`+"\n", len(lines)+1, hex.EncodeToString(sum[:]))
}

func packed(content string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(content))
	_ = w.Close()
	return b.Bytes()
}

// theLines are the lines that the modules declare, without a database.
func theLines() []shape {
	return lines(slices.Concat((*user.Module)(nil).Tables(), (*organization.Module)(nil).Tables(), (*membership.Module)(nil).Tables()), nil, password.New(password.Options{}))
}

func readAll(archive []byte) (entries []entry, err error) {
	_, entries, err = readBy(theLines(), archive)
	return entries, err
}

func readBy(shapes []shape, archive []byte) (r *reading, entries []entry, err error) {
	r = newReading(shapes, theTime)
	err = r.read(bytes.NewReader(archive), func(e entry) error {
		entries = append(entries, e)
		return nil
	})
	return r, entries, err
}

func TestValidArchiveIsRead(t *testing.T) {
	t.Parallel()
	for n := range 3 {
		lines := good()
		if n > 0 {
			lines = forgotten(lines, n)
		}
		entries, err := readAll(packed(ended(lines)))
		if err != nil || len(entries) != len(good())+1-n {
			t.Errorf("%d events are forgotten, %d lines: %v", n, len(entries), err)
		}
	}
}

// TestHostileArchivesAreRefused, each with the number of the invalid line, even if the
// checksum at the end is right.
func TestHostileArchivesAreRefused(t *testing.T) {
	t.Parallel()
	replace := func(line int, old, with string) func([]string) []string {
		return func(lines []string) []string {
			changed := strings.Replace(lines[line-1], old, with, 1)
			if changed == lines[line-1] {
				t.Errorf("line %d has no %s", line, old)
			}
			lines[line-1] = changed
			return lines
		}
	}
	drop := func(line int) func([]string) []string {
		return func(lines []string) []string { return slices.Delete(lines, line-1, line) }
	}
	double := func(line int) func([]string) []string {
		return func(lines []string) []string { return slices.Insert(lines, line, lines[line-1]) }
	}
	swap := func(line int) func([]string) []string {
		return func(lines []string) []string {
			lines[line-1], lines[line] = lines[line], lines[line-1]
			return lines
		}
	}
	for _, c := range []struct {
		name, want string
		change     func([]string) []string
	}{
		{"nothing", "not an archive", func([]string) []string { return nil }},
		{"another format", "not an archive", replace(1, "guildhall-organization", "something-else")},
		{"a later version", "version 2 of the format, and this server reads version 1", replace(1, `"version":1`, `"version":2`)},
		{"no header", "not an archive", drop(1)},
		{"two headers", "line 2: a second line has the type archive", func(l []string) []string { return slices.Insert(l, 1, l[0]) }},
		{"exported in the future", "line 1: exported_at", replace(1, "2026-11-24T12", "2026-11-24T13")},
		{"an unknown type", `line 5: its type, "robot", is not known`, replace(5, `"organization"`, `"robot"`)},
		{"an unknown member", `line 2: "age" is not known`, replace(2, `"name"`, `"age":1,"name"`)},
		{"a repeated member", "line 2: it is not a JSON object", replace(2, `"name"`, `"name":"x","name"`)},
		{"a missing member", "line 2: bio: is missing", replace(2, `"bio":null,`, ``)},
		{"null", "line 2: name: must not be null", replace(2, `"name":"N"`, `"name":null`)},
		{"a number for a text", "line 2: name: must be a string", replace(2, `"name":"N"`, `"name":7`)},
		{"an object for a text", "line 2: name: must be a string", replace(2, `"name":"N"`, `"name":{"a":[]}`)},
		{"a text for a flag", "line 1: password_hashes: must be true or false", replace(1, `"password_hashes":true`, `"password_hashes":"true"`)},
		{"no JSON", "line 3: it is not a JSON object", replace(3, `"name"`, `name`)},
		{"two objects in a line", "line 3: it is not a JSON object", replace(3, `}`, `}{}`)},
		{"invalid UTF-8", "line 2: it is not a JSON object", replace(2, `"name":"N"`, "\"name\":\"\xff\"")},
		{"half a surrogate", "line 2: it is not a JSON object", replace(2, `"name":"N"`, `"name":"\ud800"`)},
		{"a control character", "line 2: it is not a JSON object", replace(2, `"name":"N"`, "\"name\":\"\x01\"")},
		{"NUL", "line 2: name: must not hold a NUL", replace(2, `"name":"N"`, `"name":"\u0000"`)},
		{"an empty name", "line 2: name: must have 1 to 255", replace(2, `"name":"N"`, `"name":" "`)},
		{"a long name", "line 2: name: must have 1 to 255", replace(2, `"name":"N"`, `"name":"`+strings.Repeat("x", 256)+`"`)},
		{"a name that is trimmed elsewhere", "line 2: name: must be written as it is stored", replace(2, `"name":"N"`, `"name":" N"`)},
		{"a long line", "line 2: it is longer than", replace(2, `"name":"N"`, `"name":"`+strings.Repeat("x", maxLine)+`"`)},
		{"no email address", "line 2: email: must be an email address", replace(2, "Ada@example.com", "ada")},
		{"an address that is a script", "line 2: avatar_url: must be an https URL", replace(2, "https://example.com/a.png", "javascript:x")},
		{"an id in capitals", "line 2: id: must be a UUID in lower case", replace(2, ada, strings.ToUpper(ada))},
		{"the zero id", "line 2: id: must be a UUID", replace(2, ada, uuid.Nil.String())},
		{"the organization's id", "line 2: id: is the organization's", replace(2, ada, theOrganization)},
		{"an email address twice", "line 3: email ada@example.com is repeated or out of order", replace(3, "eve@example.com", "ADA@example.com")},
		{"an id twice", "line 6: two of the people have the id " + ada, replace(3, eve, ada)},
		{"people out of order", "line 3: email ada@example.com is repeated or out of order", swap(2)},
		{"an expensive hash", "line 2: password_hash: must be a password hash that", replace(2, `"password_hash":null`, `"password_hash":"$argon2id$v=19$m=4194304,t=9,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"`)},
		{"a fast hash", "line 2: password_hash: must be a password hash that", replace(2, `"password_hash":null`, `"password_hash":"$digest$h=md5,o=ps$$iOTd0kAtktUOGHnW7Nn/1A"`)},
		{"a hash that needs a key", "line 2: password_hash: must be a password hash that", replace(2, `"password_hash":null`, `"password_hash":"$bcrypt-pepper$k=rails$2b$04$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234"`)},
		{"a hash that was not announced", "line 2: password_hash: the first line says that the archive has none", func(l []string) []string {
			l[0] = strings.Replace(l[0], `"password_hashes":true`, `"password_hashes":false`, 1)
			return replace(2, `"password_hash":null`, `"password_hash":"$2b$04$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234"`)(l)
		}},
		{"a time that is none", "line 2: created_at: must be a time", replace(2, "2026-01-02T", "2026-13-02T")},
		{"a time in the future", "line 5: created_at: is later than the export", replace(5, "2026-01-02T", "2027-01-02T")},
		{"no organization", "line 5: a line of the type organization is missing before it", drop(5)},
		{"two organizations", "line 6: a second line has the type organization", double(5)},
		{"an organization without standing", "line 18: the organization has no line of the type organization_active_status", drop(6)},
		{"two open suspensions", "line 8: an earlier one also has no lifted_at", func(l []string) []string {
			return slices.Insert(l, 7, strings.Replace(l[6], ada, grace, 1))
		}},
		{"archived and active", "line 19: the organization is archived and active", replace(8, `"restored_at":"2026-01-02T03:04:05.000006Z"`, `"restored_at":null`)},
		{"a member twice", "line 10: user_id " + ada + " is repeated or out of order", double(9)},
		{"a member who is nobody", "line 10: user_id: no person in the archive has the id", replace(10, grace, strings.Replace(grace, "b", "c", 1))},
		{"an admin who is no member", "line 11: user_id: " + eve + " is no member", replace(11, grace, eve)},
		{"an owner who is no member", "line 12: user_id: " + eve + " is no member", replace(12, ada, eve)},
		{"an owner who is an admin", "line 12: user_id: the owner also has an admin grant", replace(12, ada, grace)},
		{"two owners", "line 13: a second line has the type owner", double(12)},
		{"no owner", "line 12: a line of the type owner is missing before it", drop(12)},
		{"somebody active twice", "line 14: an earlier one also has no deactivated_at", replace(14, `"user_id":"`+grace, `"user_id":"`+ada)},
		{"a member without standing", "line 18: the member " + grace + " has no line of the type user_active_status", drop(14)},
		{"suspended by nobody", "line 15: suspended_by: no person in the archive", replace(15, eve, theOrganization)},
		{"a line too early", "line 12: a line of the type admin is out of order", swap(11)},
		{"a changed event", "line 17: event 1 is not what was written", replace(17, `"actor_role":"owner"`, `"actor_role":"admin"`)},
		{"an event less", "line 17: event 2 follows event 0", drop(17)},
		{"an unknown action", "line 17: action: must be an action", replace(17, "member.added", "member.eaten")},
		{"details that are no object", "line 17: details: must be a JSON object", replace(17, `"{}"`, `"[]"`)},
		{"no beginning of the trail", "line 16: a line of the type audit_chain is missing before it", drop(16)},
		{"a beginning before the first event", "line 16: first_sequence: must be a whole number from 1", replace(16, `"first_sequence":1`, `"first_sequence":0`)},
		{"something before the first event", "line 16: first_hash: must be null", replace(16, "null", `"`+strings.Repeat("0", 64)+`"`)},
		{"a beginning without a hash", "line 16: first_hash: must be null", replace(16, `"first_sequence":1`, `"first_sequence":2`)},
		{"a beginning that never was", "line 17: event 2 is not what was written", func(l []string) []string {
			l = forgotten(l, 1)
			l[15] = `{"type":"audit_chain","first_sequence":2,"first_hash":"` + strings.Repeat("0", 64) + `"}`
			return l
		}},
		{"a beginning elsewhere", "line 17: event 2 follows event 2", func(l []string) []string {
			return replace(16, `"first_sequence":2`, `"first_sequence":3`)(forgotten(l, 1))
		}},
		{"half a number", "line 17: sequence: must be a whole number", replace(17, `"sequence":1`, `"sequence":1.5`)},
		{"a huge number", "line 17: sequence: must be a whole number", replace(17, `"sequence":1`, `"sequence":1e300`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := readAll(packed(ended(c.change(good()))))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

// TestOptionalLinesAreSkipped checks that an unknown line marked as optional is skipped
// and counted, at any position. Without the mark it is refused.
func TestOptionalLinesAreSkipped(t *testing.T) {
	t.Parallel()
	note := `{"type":"note","optional":true,"id":"` + ada + `","text":"x"}`
	for at := range good() {
		lines := slices.Insert(good(), at+1, note, note)
		r, entries, err := readBy(theLines(), packed(ended(lines)))
		if err != nil || len(entries) != len(good())+1 || !slices.Equal(r.summary().Skipped, []string{"note"}) {
			t.Errorf("behind line %d: %d lines, %v skipped: %v", at+1, len(entries), r.summary().Skipped, err)
		}
	}
	whole := ended(slices.Insert(good(), 5, note))
	many := good()
	for i := range maxSkipped + 1 {
		many = append(many, fmt.Sprintf(`{"type":"note%d","optional":true}`, i))
	}
	for what, c := range map[string]struct{ content, want string }{
		"a mark that is false":     {ended(slices.Insert(good(), 5, strings.Replace(note, "true", "false", 1))), `line 6: its type, "note", is not known`},
		"a line that was changed":  {strings.Replace(whole, `"text":"x"`, `"text":"y"`, 1), "sha256: the archive is not what was written"},
		"a line that was removed":  {strings.Replace(whole, note+"\n", "", 1), "lines: there are 19"},
		"a line behind the end":    {whole + note + "\n", "line 21: something follows the end"},
		"a type without a name":    {ended(slices.Insert(good(), 5, `{"type":"","optional":true}`)), "1 to 64 bytes"},
		"one before the first":     {ended(slices.Insert(good(), 0, note)), "not an archive"},
		"more types than are kept": {ended(many), "more than 100 types"},
		"a mark on a known line":   {ended(replaceIn(good(), 5, `"name"`, `"optional":true,"name"`)), `"optional" is not known`},
	} {
		if _, err := readAll(packed(c.content)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", what, err, c.want)
		}
	}
}

// replaceIn replaces text in one line.
func replaceIn(lines []string, number int, from, to string) []string {
	lines[number-1] = strings.Replace(lines[number-1], from, to, 1)
	return lines
}

// TestLinesAreInTheOrderOfForeignKeys and, if those leave a choice, in the order of
// version 1.
func TestLinesAreInTheOrderOfForeignKeys(t *testing.T) {
	t.Parallel()
	table := func(name string) schema.Table {
		return schema.Table{Name: name, Owner: schema.OfOrganization("organization_id"), Archive: schema.Exported(schema.Line{Type: name})}
	}
	keys := []database.ForeignKey{
		{Table: "note", Parent: "notebook"}, {Table: "member", Parent: "organization"}, {Table: "organization", Parent: "member"},
		{Table: "notebook", Parent: "member"}, {Table: "note", Parent: "note"},
	}
	var order []string
	for _, s := range declared([]schema.Table{table("note"), table("member"), table("notebook"), table("organization")}, keys) {
		order = append(order, s.Type)
	}
	if want := []string{"organization", "member", "notebook", "note"}; !slices.Equal(order, want) {
		t.Errorf("%v", order)
	}
}

// TestWhatIsNotWholeIsRefused: an archive without an end, with a wrong one, or with
// data after it.
func TestWhatIsNotWholeIsRefused(t *testing.T) {
	t.Parallel()
	whole := ended(good())
	end := strings.LastIndex(strings.TrimSuffix(whole, "\n"), "\n") + 1
	for name, c := range map[string]struct{ content, want string }{
		"no end":                  {whole[:end], "cut off"},
		"half a line":             {whole[:end-10], "cut off"},
		"half an end":             {whole[:len(whole)-1], "cut off"},
		"a line after the end":    {whole + good()[17-1] + "\n", "line 20: something follows the end"},
		"a second end":            {whole + whole[end:], "line 20: something follows the end"},
		"a name was changed":      {strings.Replace(whole, "Guild", "Gilde", 1), "line 19: sha256: the archive is not what was written"},
		"another number":          {strings.Replace(whole, `"lines":19`, `"lines":18`, 1), "line 19: lines: there are 19"},
		"line breaks without end": {strings.Repeat("\n", 1<<20), "not an archive"},
		"one line without end":    {strings.Repeat("x", 10<<20), "line 1: it is longer than"}, // 10 KiB compressed
	} {
		if _, err := readAll(packed(c.content)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if _, err := readAll([]byte(whole)); err == nil || !strings.Contains(err.Error(), "not an archive") {
		t.Errorf("not packed: %v", err)
	}
}

// FuzzArchive changes the lines of an archive and corrects its checksum. What is read
// must equal what was written, and no input may crash the program.
func FuzzArchive(f *testing.F) {
	f.Add(strings.Join(good(), "\n"), true)
	f.Add(strings.Join(good()[:5], "\n"), true)
	f.Add(ended(good()), false)
	f.Fuzz(func(t *testing.T, content string, mend bool) {
		if mend {
			content = ended(strings.Split(content, "\n"))
		}
		_, _ = readAll([]byte(content))
		entries, err := readAll(packed(content))
		if err != nil {
			return
		}
		owners, members := 0, map[uuid.UUID]bool{}
		for _, e := range entries {
			switch e.Type {
			case memberLine:
				members[e.id("user_id")] = true
			case ownerLine:
				owners++
				if !members[e.id("user_id")] {
					t.Errorf("the owner is no member")
				}
			case adminLine:
				if !members[e.id("user_id")] {
					t.Errorf("an admin is no member")
				}
			}
		}
		if owners != 1 {
			t.Errorf("%d owners", owners)
		}
	})
}
