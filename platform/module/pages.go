package module

import "guildhall/platform/web"

// WithPages is implemented by a module that has pages for people.
type WithPages interface {
	// Pages declares its pages.
	Pages(site *web.Site)
}
