package web

import (
	"strings"
)

// device says what a session is used with.
func (r *Request) device(client string) string {
	program, system := device(client)
	switch {
	case program == "":
		return r.Text("device_unknown")
	case system == "":
		return program
	}
	return r.Text("device_on", program, system)
}

// mark is a part of a User-Agent that gives away what sent it.
type mark struct{ part, name string }

// Browsers also name those that they descend from, so the first mark counts.
var (
	browsers = []mark{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
		{"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
	}
	systems = []mark{
		{"Windows", "Windows"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"},
	}
)

// device returns the program and the system that a User-Agent names; empty if it names none.
func device(client string) (program, system string) {
	if program = find(browsers, client); program == "" {
		program, _, _ = strings.Cut(client, "/") // such as curl
	}
	return program, find(systems, client)
}

func find(marks []mark, client string) string {
	for _, m := range marks {
		if strings.Contains(client, m.part) {
			return m.name
		}
	}
	return ""
}
