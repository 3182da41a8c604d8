package databaseurl

import (
	"strings"
	"testing"
)

func TestPostgresURLs(t *testing.T) {
	t.Parallel()
	for raw, refusal := range map[string]string{
		"postgres://h/d":                                                           "",
		"postgresql://u@h:1/d":                                                     "",
		"postgresql+asyncpg://u:a:b@h/d":                                           "", // only the first : ends the user name
		"postgres://u:p%40s%2Fs@a:1,b:2/d":                                         "",
		"postgres:///d?host=/run/x&user=u":                                         "",
		"postgres://u:p@[::1]:5432/d":                                              "",
		"postgres://h/d?user=u&password=p&host=/run/x&sslmode=require":             "",
		"postgres://u:p@h/d?TimeZone=UTC&yb_read_time=1&options=-csearch_path%3Dx": "",
		"postgres://u:p@h/d?sslmode=verify-full&application_name=a%40b":            "",

		"mysql://u:p@h/d":                          "begins with none of",
		"postgres://u:p@s@h/d":                     "more than one @",
		"postgres://u@s:p@h/d":                     "more than one @",
		"postgres://u:p/s@h/d":                     "has an @ after",
		"postgres://u:12/s@h/d":                    "has an @ after", // a host u with the port 12, to url.Parse
		"postgres://u:p?s@h/d":                     "has an @ after",
		"postgres://u:p#s@h/d":                     "has an @ after",
		"postgres://u:p@x/y@h/d":                   "has an @ after", // a host x, to url.Parse
		"postgres://h/d?user=u&password=p@s":       "has an @ after",
		"postgres://u:p@h/d#x":                     "has a #",
		"postgres://u:p%@h/d":                      "% is written %25",
		"postgres://u:p%4@h/d":                     "% is written %25",
		"postgres://u:p%zz@h/d":                    "% is written %25",
		"postgres://u:p@h/d%":                      "% is written %25",
		"postgres://u:p s@h/d":                     "a space is %20",
		"postgres://u:p\\s@h/d":                    "must be percent-encoded",
		"postgres://u:pä@h/d":                      "must be percent-encoded",
		"postgres://u:p@h:port/d":                  "a port is a number",
		"postgres://u:p\n@h/d":                     "control character",
		"postgres://u:p@h/d?a=b;c":                 "come parameters",
		"postgres://u:p@h/d?a":                     "come parameters",
		"postgres://h/d?password=p&s":              "& is written %26",
		"postgres://h/d?password=p&s=t":            "& is written %26",
		"postgres://u:p@h/d?ssl=require":           "sslmode=…",
		"postgres://u:p@h/d?schema=x":              "search_path=…",
		"postgres://u:p@h/d?pgbouncer=true":        "DATABASE_POOL_MODE=transaction",
		"postgres://u:p@h/d?connection_limit=1":    "DATABASE_MAX_CONNECTIONS",
		"postgres://u:p@h/d?sslmodes=require":      "almost sslmode",
		"postgres://u:p@h/d?SSLMODE=require":       "almost sslmode",
		"postgres://u:p@h/d?target_session_attr=x": "almost target_session_attrs",
	} {
		u, err := parsePostgres(raw)
		switch {
		case refusal == "" && (err != nil || u.Scheme != "postgres"):
			t.Errorf("%s: %v", raw, err)
		case refusal != "" && (err == nil || !strings.Contains(err.Error(), refusal)):
			t.Errorf("%s: %v, want %q", raw, err, refusal)
		}
	}
	if u := Must("postgresql+asyncpg://u:p@h/d"); u.IsSQLite() || u.Reveal() != "postgres://u:p@h/d" || u.String() != "postgres://u:********@h/d" {
		t.Errorf("%s", u)
	}
	if u := Must("sqlite://a@b.db"); !u.IsSQLite() || u.File() != "a@b.db" || u.String() != "sqlite://a@b.db" {
		t.Errorf("%s", u)
	}
}
