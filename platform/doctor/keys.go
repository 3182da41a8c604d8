package doctor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"guildhall/platform/database"
	"guildhall/platform/signing"
	"guildhall/platform/token"
)

// rotationLate is how long after its time a rotation is overdue. A running service looks each
// minute.
const rotationLate = time.Hour

// Keys examines what signs tokens, who can verify them, and the API keys: for the production
// checklist, too. It needs the settings, the database, the signing keys and the clock.
func Keys(ctx context.Context, o Options) []Finding { return o.keys(database.ForAll(ctx)) }

func (o Options) keys(ctx context.Context) []Finding {
	const name = "signing keys"
	keys, err := o.Keys.Keys(ctx)
	if err != nil {
		return []Finding{unknown(name, err)}
	}
	apis, err := o.apis(ctx)
	if err != nil {
		return []Finding{unknown("registered APIs", err)}
	}
	var findings []Finding
	add := func(level Level, name, message, remedy string) {
		findings = append(findings, Finding{level, name, message, remedy})
	}
	at := slices.IndexFunc(keys, func(k signing.Key) bool { return k.State == signing.Signing })
	due := o.Keys.NextRotation(keys)
	switch {
	case len(keys) == 0:
		add(Note, name, "there is none yet: the service makes one when it starts", "")
	case at < 0:
		add(Warn, name, "none can be used: another JWT_SECRET_KEY has encrypted them",
			"add that secret to JWT_SECRET_KEY, after the present one; otherwise the service makes a key when it starts, and the access tokens of before are refused")
	case due != nil && o.Now().Sub(*due) > rotationLate:
		add(Warn, name, fmt.Sprintf("the next one is due since %s, and no process has made it", due.UTC().Format(time.RFC3339)),
			"the service makes it when it starts; if it runs, look for `rotate` in its log, or run `guildhall keys rotate`")
	case keys[at].Algorithm == token.HS256 && len(apis) > 0:
		add(Warn, name, fmt.Sprintf("%d registered API(s) can't verify their tokens: JWT_SECRET_KEY signs them (HS256), which no other program may have", len(apis)),
			"run `guildhall keys rotate --algorithm ES256`, unless all of them introspect or are behind forward-auth")
	default:
		add(OK, name, fmt.Sprintf("%s signs, since %s", keys[at].Algorithm, keys[at].SignsFrom.Format(time.RFC3339)), "")
	}
	for _, identifier := range apis {
		if identifier == o.Config.JWTAudience || identifier == o.Config.PublicURL {
			add(Fail, "registered APIs", fmt.Sprintf("%s is the name of this service, too: it takes the API's tokens for its own", identifier),
				"give JWT_AUDIENCE and PUBLIC_URL other values, or remove the API")
		}
	}
	return append(findings, o.apiKeys(ctx))
}

// apis returns the identifiers of the registered APIs.
func (o Options) apis(ctx context.Context) ([]string, error) {
	rows, err := o.DB.Rows(ctx, "SELECT identifier FROM apis ORDER BY identifier")
	if err != nil {
		return nil, err
	}
	return database.Collect(rows, func(scan func(...any) error) (text string, err error) { return text, scan(&text) })
}

// apiKeys examines the API keys that work.
func (o Options) apiKeys(ctx context.Context) Finding {
	const name = "API keys"
	var all, endless, unused int64
	now := o.Now()
	err := o.DB.Row(ctx, `SELECT COUNT(*), COALESCE(SUM(CASE WHEN expires_at >= ? THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN rotated_at < ? THEN 1 ELSE 0 END), 0)
		FROM sessions WHERE kind = 'key' AND revoked_at IS NULL AND expires_at > ?`, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), now.Add(-90*24*time.Hour), now).
		Scan(&all, &endless, &unused)
	switch {
	case err != nil:
		return unknown(name, err)
	case endless > 0 && o.Config.APIKeyLongest > 0:
		return Finding{Warn, name, fmt.Sprintf("%d of %d never expire, although API_KEY_MAX_DAYS now says otherwise", endless, all), "rotate them: their successors expire"}
	case endless > 0 || unused > 0:
		return Finding{Note, name, fmt.Sprintf("%d work; %d never expire, and %d were not used for 90 days", all, endless, unused), ""}
	default:
		return Finding{OK, name, fmt.Sprintf("%d work, and all of them expire", all), ""}
	}
}
