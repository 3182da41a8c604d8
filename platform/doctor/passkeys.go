package doctor

import (
	"context"
	"fmt"

	"guildhall/platform/database"
)

// Passkeys examines whether the passkeys that people have can still be used, for the production
// checklist, too. It needs the settings and the database.
func Passkeys(ctx context.Context, o Options) Finding { return o.passkeys(database.ForAll(ctx)) }

// passkeys warns after a change of the domain: browsers offer a passkey to its own domain only,
// and nothing else would say why people can't log in any more.
func (o Options) passkeys(ctx context.Context) Finding {
	const name = "passkeys"
	domain, _ := o.Config.Passkeys()
	var all, lost, people int64
	err := o.DB.Row(ctx, `SELECT COUNT(*), COALESCE(SUM(CASE WHEN rp_id <> ? THEN 1 ELSE 0 END), 0), COUNT(DISTINCT CASE WHEN rp_id <> ? THEN user_id END) FROM user_passkeys`, domain, domain).
		Scan(&all, &lost, &people)
	switch {
	case err != nil:
		return unknown(name, err)
	case lost == 0:
		return Finding{OK, name, fmt.Sprintf("%d can be used", all), ""}
	}
	formers, err := o.formerDomains(ctx, domain)
	if err != nil {
		return unknown(name, err)
	}
	now := "no domain (WEBAUTHN_RP_ID)"
	if domain != "" {
		now = domain
	}
	return Finding{Warn, name, fmt.Sprintf("%d of %d, of %d people, belong to %s and can't be used with %s", lost, all, people, formers, now),
		"set WEBAUTHN_RP_ID back, or let these people set up new ones; until then they need another factor or a recovery code"}
}

// formerDomains returns the other domains of passkeys: the first, and how many more.
func (o Options) formerDomains(ctx context.Context, domain string) (text string, err error) {
	var several int64
	err = o.DB.Row(ctx, "SELECT MIN(rp_id), COUNT(DISTINCT rp_id) FROM user_passkeys WHERE rp_id <> ?", domain).Scan(&text, &several)
	if several > 1 {
		text += fmt.Sprintf(" and %d more domain(s)", several-1)
	}
	return text, err
}
