package config

import (
	"errors"

	"guildhall/platform/databaseurl"
)

type databaseURL struct{ target *databaseurl.URL }

func (d databaseURL) kind() string   { return "string" }
func (d databaseURL) masked() string { return d.target.String() }

func (d databaseURL) parse(text string) (err error) {
	if fault := wrapping(text); fault != "" {
		return errors.New(fault)
	}
	*d.target, err = databaseurl.Parse(text)
	return err
}
