package doctor

import (
	"context"
	"fmt"

	"guildhall/platform/database"
)

// Providers examines whether the providers with which people log in are configured, for the
// production checklist, too. It needs the settings and the database.
func Providers(ctx context.Context, o Options) Finding { return o.providers(database.ForAll(ctx)) }

// providers warns after one was removed or renamed: nothing else would say why people can't log
// in any more.
func (o Options) providers(ctx context.Context) Finding {
	const name = "providers"
	known := []any{""} // no provider's
	marks := "?"
	for _, p := range o.Config.Providers {
		known, marks = append(known, p.ID), marks+", ?"
	}
	var all, lost, people int64
	var one *string
	lostSQL := "provider NOT IN (" + marks + ")"
	args := append(append(append([]any{}, known...), known...), known...)
	err := o.DB.Row(ctx, `SELECT COUNT(*), COALESCE(SUM(CASE WHEN `+lostSQL+` THEN 1 ELSE 0 END), 0), COUNT(DISTINCT CASE WHEN `+lostSQL+` THEN user_id END), MIN(CASE WHEN `+lostSQL+` THEN provider END) FROM user_identities`, args...).
		Scan(&all, &lost, &people, &one)
	switch {
	case err != nil:
		return unknown(name, err)
	case lost == 0 || one == nil:
		return Finding{OK, name, fmt.Sprintf("%d linked accounts can be used", all), ""}
	}
	return Finding{Warn, name, fmt.Sprintf("%d of %d linked accounts, of %d people, belong to %s or others that are not in PROVIDERS", lost, all, people, *one),
		"configure the provider again under that id; until then these people need another way to log in"}
}
