package web

import (
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"strings"
	"time"
	"unicode"
)

// texts are the texts of one language by their keys.
type texts map[string]string

func textsOf(locale string, sources ...fs.FS) (texts, error) {
	t := texts{}
	for _, files := range sources {
		raw, err := fs.ReadFile(files, "locales/"+locale+".json")
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(raw, &t); err != nil {
			return nil, fmt.Errorf("locales/%s.json: %w", locale, err)
		}
	}
	return t, nil
}

// of returns a text. An unknown key is an error, so that a test finds it.
func (t texts) of(key string, args ...any) (string, error) {
	text, known := t[key]
	if !known {
		return "", fmt.Errorf("there is no text %q", key)
	}
	if len(args) > 0 {
		text = fmt.Sprintf(text, args...)
	}
	return text, nil
}

// time shows a time in UTC. The script shows it in the reader's zone.
func (t texts) time(at any) (template.HTML, error) { return t.instant(at, "time_format", "") }

// day shows a date.
func (t texts) day(at any) (template.HTML, error) { return t.instant(at, "day_format", " data-day") }

func (t texts) instant(at any, format, attribute string) (template.HTML, error) {
	var value time.Time
	switch at := at.(type) {
	case time.Time:
		value = at.UTC()
	case *time.Time:
		if at == nil {
			return "", nil
		}
		value = at.UTC()
	default:
		return "", fmt.Errorf("%T is no time", at)
	}
	layout, err := t.of(format)
	if err != nil {
		return "", err
	}
	// Neither a formatted time nor our texts have characters to escape.
	return template.HTML(fmt.Sprintf(`<time datetime="%s"%s>%s</time>`, value.Format(time.RFC3339), attribute, value.Format(layout))), nil //nolint:gosec // see above
}

// Event is an event of an audit log.
type Event struct {
	ID             string
	Sequence       int64
	OccurredAt     time.Time `json:"occurred_at"`
	Action         string
	OrganizationID *string `json:"organization_id"`
	UserID         *string `json:"user_id"`
	UserName       *string `json:"user_name"`
	ActorID        *string `json:"actor_user_id"`
	ActorName      *string `json:"actor_name"`
	ActorRole      string  `json:"actor_role"`
	Address        string
	Client         string
	RequestID      string `json:"request_id"`
	Details        map[string]string
	Hash           string
}

// event says in a sentence what happened.
func (t texts) event(e Event) string {
	sentence, known := t["event_"+e.Action]
	if !known {
		sentence = "{actor}: " + e.Action
	}
	actor, about := t["actor_unknown"], t["about_unknown"]
	if role, special := t["actor_"+e.ActorRole]; special {
		actor = role
	}
	if e.ActorName != nil {
		actor = *e.ActorName
	}
	if e.UserName != nil {
		about = *e.UserName
	}
	return strings.NewReplacer("{actor}", actor, "{about}", about).Replace(sentence)
}

// Initials stand for a person, whose picture would come from another host.
func Initials(name string) string {
	var all []rune
	for word := range strings.FieldsSeq(name) {
		all = append(all, unicode.ToUpper([]rune(word)[0]))
	}
	if len(all) > 2 {
		all = []rune{all[0], all[len(all)-1]}
	}
	return string(all)
}
