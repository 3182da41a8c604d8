package config

import (
	"errors"
	"fmt"

	"guildhall/platform/databaseurl"
)

type replicaURLs struct{ target *[]databaseurl.URL }

func (r replicaURLs) kind() string { return "list" }

func (r replicaURLs) masked() string {
	items := make([]string, 0, len(*r.target))
	for _, u := range *r.target {
		items = append(items, u.String())
	}
	return jsonText(items)
}

// parse quotes no URL in its errors, as databaseURL.parse does not.
func (r replicaURLs) parse(text string) error {
	items, err := splitList(text)
	if err != nil {
		return err
	}
	replicas := make([]databaseurl.URL, len(items))
	for i, item := range items {
		if err := parseReplica(item, &replicas[i]); err != nil {
			return fmt.Errorf("number %d %w", i+1, err)
		}
	}
	*r.target = replicas
	return nil
}

// parseReplica refuses a URL of several servers: the state of a standby is read on one
// connection and must hold for all connections of its pool.
func parseReplica(text string, target *databaseurl.URL) error {
	if databaseurl.IsSQLite(text) {
		return errors.New("is SQLite, which has no standbys")
	}
	if err := (databaseURL{target}).parse(text); err != nil {
		return err
	}
	if len(target.Hosts()) > 1 {
		return errors.New("names several servers; give each standby a URL of its own")
	}
	return nil
}
